// Plots of a few figures as SVG, each with its words for who can't see it.

import { clockText, element, svg } from './dom.js';
import { say } from './words.js';

const WIDTH = 460;
const HEIGHT = 170;
const [LEFT, RIGHT, TOP, BOTTOM] = [44, 14, 12, 26];
const DASHES = ['', '6 4', '2 3', '10 3 2 3', '1 4'];

/**
 * Lines over time. `lines`: { name, points: [ms, value] }; `limit`: a dashed line across;
 * `unit(value)`: as text.
 */
export function lines(title, list, { top, limit, unit }) {
  const points = list.flatMap((line) => line.points);
  if (!points.length) return null;
  const times = points.map(([at]) => at);
  const [first, last] = [Math.min(...times), Math.max(...times)];
  const width = Math.max(1, last - first);
  const high = top ?? Math.max(limit ?? 0, ...points.map(([, value]) => value)) * 1.15;
  const x = (at) =>
    last === first
      ? (LEFT + WIDTH - RIGHT) / 2
      : LEFT + ((at - first) / width) * (WIDTH - LEFT - RIGHT);
  const y = (value) => HEIGHT - BOTTOM - (value / (high || 1)) * (HEIGHT - TOP - BOTTOM);

  const figure = element('figure', 'plot');
  const made = svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img' });
  const values = points.map(([, value]) => value);
  const words = say(
    'plot_alt',
    title,
    unit(Math.min(...values)),
    unit(Math.max(...values)),
    values.length,
  );
  made.append(svg('title', {}, words));
  for (const share of [0, 0.5, 1]) {
    const at = y(high * share);
    made.append(
      svg('line', { x1: LEFT, x2: WIDTH - RIGHT, y1: at, y2: at, class: 'grid' }),
      svg('text', { x: LEFT - 6, y: at + 4, 'text-anchor': 'end' }, unit(high * share)),
    );
  }
  const ends = last === first ? [first] : [first, last];
  ends.forEach((at, index) =>
    made.append(
      svg(
        'text',
        {
          x: x(at),
          y: HEIGHT - 8,
          'text-anchor': ends.length === 1 ? 'middle' : ['start', 'end'][index],
        },
        clockText(at),
      ),
    ),
  );
  if (typeof limit === 'number') {
    made.append(
      svg('line', { x1: LEFT, x2: WIDTH - RIGHT, y1: y(limit), y2: y(limit), class: 'limit' }),
    );
    made.append(
      svg(
        'text',
        { x: WIDTH - RIGHT, y: y(limit) - 4, 'text-anchor': 'end', class: 'limit-text' },
        `${say('threshold')} ${unit(limit)}`,
      ),
    );
  }
  list.forEach((line, index) => {
    const path = line.points.map(([at, value]) => `${x(at).toFixed(1)},${y(value).toFixed(1)}`);
    const look = `line-${index % DASHES.length}`;
    made.append(
      svg('polyline', {
        points: path.join(' '),
        class: look,
        'stroke-dasharray': DASHES[index % DASHES.length],
      }),
    );
    for (const [at, value] of line.points)
      made.append(svg('circle', { cx: x(at), cy: y(value), r: 3, class: look }));
  });
  figure.append(element('figcaption', '', title), made);
  if (list.length > 1) {
    const names = element('ul', 'legend');
    list.forEach((line, index) => {
      const item = element('li');
      const key = svg('svg', { viewBox: '0 0 26 8', class: 'key', 'aria-hidden': 'true' });
      const dash = DASHES[index % DASHES.length];
      key.append(
        svg('line', {
          x1: 0,
          x2: 26,
          y1: 4,
          y2: 4,
          class: `line-${index % DASHES.length}`,
          'stroke-dasharray': dash,
        }),
      );
      item.append(key, line.name);
      names.append(item);
    });
    figure.append(names);
  }
  return figure;
}

/** Parts of a whole, one behind the other, with a table that says the same. */
export function parts(list, unit) {
  const total = list.reduce((sum, [, value]) => sum + value, 0);
  const made = svg('svg', {
    viewBox: '0 0 460 22',
    class: 'parts',
    preserveAspectRatio: 'none',
    'aria-hidden': 'true',
  });
  let at = 0;
  list.forEach(([, value], index) => {
    const width = total > 0 ? (value / total) * 460 : 0;
    made.append(
      svg('rect', {
        x: at,
        y: 0,
        width: Math.max(0, width - 1),
        height: 22,
        class: `part-${index % 5}`,
      }),
    );
    at += width;
  });
  const table = element('table', 'figures');
  const body = element('tbody');
  list.forEach(([name, value], index) => {
    const row = element('tr');
    const head = element('th');
    head.scope = 'row';
    const key = svg('svg', { viewBox: '0 0 12 12', class: 'swatch', 'aria-hidden': 'true' });
    key.append(svg('rect', { width: 12, height: 12, class: `part-${index % 5}` }));
    head.append(key, name);
    row.append(head, element('td', '', unit(value)));
    body.append(row);
  });
  const sum = element('tr', 'sum');
  const name = element('th', '', say('total'));
  name.scope = 'row';
  sum.append(name, element('td', '', unit(total)));
  body.append(sum);
  table.append(body);
  const box = element('div', 'stack');
  box.append(made, table);
  return box;
}

/** Bars of a histogram's buckets: [upper bound, count]. */
export function buckets(list, words) {
  const most = Math.max(1, ...list.map(([, count]) => count));
  const made = svg('svg', {
    viewBox: `0 0 ${list.length * 10} 40`,
    class: 'buckets',
    role: 'img',
    preserveAspectRatio: 'none',
  });
  made.append(svg('title', {}, words));
  list.forEach(([, count], index) => {
    const high = count ? Math.max(1.5, (count / most) * 38) : 0;
    made.append(svg('rect', { x: index * 10 + 1, y: 40 - high, width: 8, height: high }));
  });
  made.append(svg('line', { x1: 0, x2: list.length * 10, y1: 40, y2: 40 }));
  return made;
}
