// One camera: what it sees just now, how it does, and its zones and masks to draw.

import { askToLook } from './act.js';
import { consent, stateWord } from './cameras.js';
import { button, element, getJson, link, moment, rows, sinceText } from './dom.js';
import { editor, fault } from './draw.js';
import { khuPhoName, known, on } from './state.js';
import { say } from './words.js';

const LOOK_MS = 5_000;
const PICTURE_MS = 1_500;

/** Shows a camera in `main`; answers how to stop. */
export function cameraPage(main, id) {
  const box = element('div', 'single');
  box.append(element('p', 'none', say('loading')));
  main.replaceChildren(box);
  const stops = [];
  let open = true;
  const path = `/api/cameras/${encodeURIComponent(id)}`;
  const load = () =>
    getJson(path).then((view) => {
      if (open) show(box, id, view, stops);
    });
  load().catch((error) => {
    if (!open) return;
    const text = error.status === 404 ? say('not_found') : say('failed', error.message);
    box.replaceChildren(back(), element('p', 'none', text));
  });
  return () => {
    open = false;
    stops.forEach((stop) => stop());
  };
}

const back = () => link('#/cameras', 'back', `← ${say('back')}`);

function show(box, id, view, stops) {
  const title = element('header', 'title');
  const told = element('div');
  title.append(element('h1', '', id), told);
  const picture = element('img', 'view');
  picture.alt = say('picture', id);
  const blank = element('p', 'blank', say('no_picture'));
  stops.push(live(id, picture, blank));

  const shapes = [
    ...(view.zones ?? []).map((zone) => ({
      kind: 'zone',
      name: zone.name,
      rules: [...zone.rules],
      residents: zone.residents ?? [],
      points: zone.polygon.map((point) => [...point]),
    })),
    ...(view.masks ?? []).map((points) => ({
      kind: 'mask',
      name: '',
      rules: [],
      points: points.map((p) => [...p]),
    })),
  ];
  const text = element('pre', 'toml');
  text.tabIndex = 0;
  text.setAttribute('aria-label', say('toml'));
  const asConfigured = toml(id, shapes);
  const state = element('p', 'soft');
  const drawn = editor(picture, shapes, () => {
    const faulty = shapes.map(fault).find(Boolean);
    text.textContent = toml(
      id,
      shapes.filter((shape) => !fault(shape)),
    );
    state.textContent = faulty || (text.textContent === asConfigured ? say('unchanged') : '');
  });
  stops.push(drawn.stop);
  drawn.box.firstElementChild.append(blank);

  const paste = element('section', 'part');
  const copy = button('button', say('copy'), async () => {
    try {
      await navigator.clipboard.writeText(text.textContent);
      copy.textContent = say('copied');
    } catch {
      // No clipboard here: what is selected can be copied by hand.
      getSelection().selectAllChildren(text);
    }
  });
  const line = element('div', 'line');
  line.append(copy);
  paste.append(
    element('h2', '', say('toml')),
    element('p', 'soft', say('toml_text')),
    text,
    state,
    line,
  );

  const left = element('section', 'part');
  left.append(element('h2', '', say('zones')), drawn.box);
  const right = element('div', 'stack');
  const figures = element('section', 'part');
  right.append(figures, paste);
  const columns = element('div', 'columns');
  columns.append(left, right);
  box.replaceChildren(back(), title, columns);

  const status = () => {
    const camera = known.status?.cameras.find((one) => one.id === id) ?? {};
    told.replaceChildren(
      stateWord(camera),
      element('p', 'where', [view.address, khuPhoName(view.khu_pho)].filter(Boolean).join(' · ')),
    );
    figures.replaceChildren(element('h2', '', say('sys_health')), table(camera, view));
  };
  stops.push(on('status', status));
  status();
}

function table(camera, view) {
  const since = camera.since ? `${moment(camera.since)} (${sinceText(camera.since)})` : '';
  return rows([
    [say('state'), camera.state ? `${say(camera.state)} · ${say('since', since)}` : ''],
    [say('reason'), camera.reason],
    [
      say('fps_word'),
      typeof camera.analysed_fps === 'number' ? say('fps', camera.analysed_fps.toFixed(1)) : '',
    ],
    [
      say('late_word'),
      typeof camera.latency_ms === 'number' ? say('late_text', camera.latency_ms) : '',
    ],
    [say('attention'), camera.attention && say(camera.attention)],
    [say('dropped'), typeof view.dropped === 'number' ? `${view.dropped} / ${view.received}` : ''],
    ['RTSP', typeof view.sessions === 'number' ? say('sessions', view.sessions) : ''],
    [say('clock'), camera.clock_ahead_s ? say('clock_ahead', camera.clock_ahead_s) : ''],
    [say('owner'), view.owner && consent(view.owner)],
    [say('neighbours'), view.neighbours?.length ? view.neighbours.join(', ') : ''],
  ]);
}

/** A new picture again and again, and the camera's attention, while somebody looks. */
function live(id, image, blank) {
  let open = true;
  let timer;
  const next = () => {
    if (!open) return;
    if (document.hidden || known.link === 'down') {
      timer = setTimeout(next, PICTURE_MS);
      return;
    }
    const ahead = new Image();
    ahead.addEventListener('load', () => {
      image.src = ahead.src;
      blank.hidden = true;
      timer = setTimeout(next, PICTURE_MS);
    });
    ahead.addEventListener('error', () => {
      timer = setTimeout(next, PICTURE_MS * 2);
    });
    ahead.src = `/api/cameras/${encodeURIComponent(id)}/picture.jpg?at=${Date.now()}`;
  };
  const look = () => {
    if (!document.hidden) askToLook(id);
  };
  look();
  next();
  const looking = setInterval(look, LOOK_MS);
  const stop = on('me', look);
  return () => {
    open = false;
    stop();
    clearTimeout(timer);
    clearInterval(looking);
  };
}

// The text for the configuration.

/** A TOML basic string: names come from people. */
function quoted(text) {
  const escaped = [...text].map((char) => {
    if (char === '"' || char === '\\') return `\\${char}`;
    const code = char.codePointAt(0);
    return code < 0x20 || code === 0x7f ? `\\u${code.toString(16).padStart(4, '0')}` : char;
  });
  return `"${escaped.join('')}"`;
}
const number = (value) => (Number.isInteger(value) ? `${value}.0` : String(value));
const polygon = (points) =>
  `[${points.map(([x, y]) => `[${number(x)}, ${number(y)}]`).join(', ')}]`;

function toml(id, shapes) {
  const masks = shapes.filter((shape) => shape.kind === 'mask');
  const zones = shapes.filter((shape) => shape.kind === 'zone');
  const text = [say('toml_head', id)];
  if (masks.length)
    text.push(`mask = [\n${masks.map((mask) => `  ${polygon(mask.points)},`).join('\n')}\n]`);
  for (const zone of zones) {
    const rules = zone.rules.map(quoted).join(', ');
    text.push(
      '',
      '[[camera.zone]]',
      `name = ${quoted(zone.name.trim())}`,
      `rules = [${rules}]`,
      `polygon = ${polygon(zone.points)}`,
    );
    if (zone.residents?.length)
      text.push(`residents_hours = [${zone.residents.map(quoted).join(', ')}]`);
  }
  return `${text.join('\n')}\n`;
}
