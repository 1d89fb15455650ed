// The cameras around an incident, drawn to scale from their coordinates. A map only where the admin
// has configured a server of tiles; no request to anybody else, and without one none at all.

import { cameraLink, element, svg } from './dom.js';
import { known } from './state.js';
import { tiles } from './tiles.js';
import { say } from './words.js';

const METRES_A_DEGREE = 111_320;
const AROUND_M = 400;
const NEAR_MIN_M = 60;
const WIDTH = 460;
const HEIGHT = 320;
const EDGE = 34;

const placed = (camera) =>
  typeof camera.latitude === 'number' && typeof camera.longitude === 'number';

/** A length that reads well and fits into `room` metres. */
function nice(room) {
  const power = 10 ** Math.floor(Math.log10(room));
  return [5, 2, 1].map((step) => step * power).find((length) => length <= room) ?? power;
}

/** `cameras`: all that are known; `seeing`: ids of those that see it. */
export function plan(cameras, seeing) {
  const centre = cameras.filter((camera) => placed(camera) && seeing.has(camera.id));
  if (!centre.length) return element('p', 'soft', say('plan_none'));
  const mean = (key) => centre.reduce((sum, camera) => sum + camera[key], 0) / centre.length;
  const [lat, lon] = [mean('latitude'), mean('longitude')];
  const across = METRES_A_DEGREE * Math.cos((lat * Math.PI) / 180);
  const spots = cameras
    .filter(placed)
    .map((camera) => ({
      camera,
      x: (camera.longitude - lon) * across,
      y: (lat - camera.latitude) * METRES_A_DEGREE,
      sees: seeing.has(camera.id),
    }))
    .filter((spot) => spot.sees || Math.hypot(spot.x, spot.y) <= AROUND_M);

  const reach = (key) => Math.max(NEAR_MIN_M / 2, ...spots.map((spot) => Math.abs(spot[key])));
  const scale = Math.min((WIDTH / 2 - EDGE) / reach('x'), (HEIGHT / 2 - EDGE) / reach('y'));
  const made = svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: 'plan', role: 'group' });
  made.setAttribute('aria-label', say('plan'));
  const map = known.me?.tiles;
  if (map) {
    made.classList.add('mapped');
    made.append(tiles(map.url, { lat, lon }, scale, { width: WIDTH, height: HEIGHT }));
  }
  grid(made, scale);
  // Those that see it are drawn last, on top.
  spots.sort((a, b) => a.sees - b.sees);
  const taken = [];
  for (const spot of spots) draw(made, spot, scale, taken);
  bar(made, scale);
  const north = svg('g', { class: 'north', transform: `translate(${WIDTH - 22} 26)` });
  north.append(
    svg('path', { d: 'M0 -14 L6 8 L0 4 L-6 8 Z' }),
    svg('text', { x: 0, y: 24 }, say('north')),
  );
  made.append(north);
  if (!map?.credit) return made;
  const thanked = element('div', 'stack');
  thanked.append(made, element('p', 'credit', map.credit));
  return thanked;
}

function grid(made, scale) {
  const step = nice(WIDTH / scale / 4) * scale;
  for (let x = (WIDTH / 2) % step; x < WIDTH; x += step) {
    made.append(svg('line', { x1: x, x2: x, y1: 0, y2: HEIGHT, class: 'grid' }));
  }
  for (let y = (HEIGHT / 2) % step; y < HEIGHT; y += step) {
    made.append(svg('line', { x1: 0, x2: WIDTH, y1: y, y2: y, class: 'grid' }));
  }
}

function draw(made, { camera, x, y, sees }, scale, taken) {
  const at = { x: WIDTH / 2 + x * scale, y: HEIGHT / 2 + y * scale };
  const group = svg('a', { href: cameraLink(camera.id), class: sees ? 'spot sees' : 'spot' });
  group.append(svg('title', {}, [camera.id, camera.address].filter(Boolean).join(' · ')));
  group.append(
    sees
      ? svg('path', {
          d: `M${at.x} ${at.y - 11} L${at.x + 10} ${at.y + 7} L${at.x - 10} ${at.y + 7} Z`,
        })
      : svg('circle', { cx: at.x, cy: at.y, r: 5 }),
  );
  // A label that would cover another one is left to the tooltip.
  const left = at.x > WIDTH * 0.62;
  const lower = taken.some(
    (other) => Math.abs(other.y - at.y) < 14 && Math.abs(other.x - at.x) < 110,
  );
  if (!lower || sees) {
    taken.push(at);
    const text = camera.id.length > 22 ? `${camera.id.slice(0, 21)}…` : camera.id;
    const place = {
      x: at.x + (left ? -14 : 14),
      y: at.y + 4,
      'text-anchor': left ? 'end' : 'start',
    };
    group.append(svg('text', place, text));
  }
  made.append(group);
}

function bar(made, scale) {
  const metres = nice((WIDTH * 0.3) / scale);
  const long = metres * scale;
  const [x, y] = [16, HEIGHT - 14];
  made.append(
    svg('path', { d: `M${x} ${y - 6} V${y} H${x + long} V${y - 6}`, class: 'bar' }),
    svg(
      'text',
      { x: x + long / 2, y: y - 6, 'text-anchor': 'middle', class: 'bar-text' },
      say('metres', metres),
    ),
  );
}
