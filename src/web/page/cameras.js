// The wall: each camera's newest picture and how it is. Only what is looked at is asked for.

import { cameraLink, element, getJson, link, moment, sinceText, tell } from './dom.js';
import { khuPhoName, known, on } from './state.js';
import { language, say } from './words.js';

const EVERY_MS = 10_000;
const ORDER = ['offline', 'frozen', 'blinded', 'connecting', 'online'];

/** Shows the wall in `main`; answers how to stop. */
export function camerasPage(main) {
  const box = element('div', 'single');
  const search = element('input');
  Object.assign(search, { type: 'search', placeholder: say('search_hint'), maxLength: 80 });
  search.setAttribute('aria-label', say('search'));
  const only = element('select');
  only.setAttribute('aria-label', say('state'));
  for (const key of ['all_cameras', 'only_problem']) {
    const option = element('option', '', say(key));
    option.value = key;
    only.append(option);
  }
  const bar = element('div', 'filter unfolded');
  const wide = element('div', 'field wide');
  wide.append(search);
  bar.append(wide, only);
  const wall = element('div', 'wall');
  const none = element('p', 'none', say('no_camera'));
  box.append(
    element('h1', '', say('cameras')),
    element('p', 'soft', say('wall_refresh')),
    bar,
    wall,
    none,
  );
  main.replaceChildren(box);

  const tiles = new Map();
  const seen = new Set();
  const watch = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) {
        const tile = tiles.get(target.dataset.id);
        if (!tile) continue;
        if (isIntersecting) {
          seen.add(tile);
          look(tile);
        } else seen.delete(tile);
      }
    },
    { rootMargin: '120px' },
  );
  let owners = new Map();

  const draw = () => {
    const words = search.value.trim().toLowerCase();
    const cameras = (known.status?.cameras ?? []).filter((camera) => {
      if (only.value === 'only_problem' && camera.state === 'online') return false;
      const text = `${camera.id} ${camera.address ?? ''} ${khuPhoName(camera.khu_pho ?? '')}`;
      return text.toLowerCase().includes(words);
    });
    const rank = (camera) => ORDER.indexOf(camera.state) + 1 || ORDER.length;
    cameras.sort((a, b) => rank(a) - rank(b));
    none.hidden = cameras.length > 0;
    const shown = cameras.map((camera) => {
      if (!tiles.has(camera.id)) {
        const tile = make(camera.id);
        tiles.set(camera.id, tile);
        watch.observe(tile.node);
      }
      const tile = tiles.get(camera.id);
      fill(tile, camera, owners.get(camera.id));
      return tile.node;
    });
    for (const [id, tile] of tiles) {
      if (known.status?.cameras.some((camera) => camera.id === id)) continue;
      watch.unobserve(tile.node);
      seen.delete(tile);
      tiles.delete(id);
    }
    const same =
      shown.length === wall.children.length &&
      shown.every((node, at) => node === wall.children[at]);
    if (!same) wall.replaceChildren(...shown);
  };
  getJson('/api/cameras')
    .then((views) => {
      owners = new Map(views.cameras.map((camera) => [camera.id, camera]));
      draw();
    })
    .catch(() => {});
  search.addEventListener('input', draw);
  only.addEventListener('change', draw);
  const stop = on('status', draw);
  const timer = setInterval(() => {
    if (document.hidden || known.link !== 'up') return;
    for (const tile of seen) look(tile);
  }, EVERY_MS);
  draw();
  return () => {
    stop();
    clearInterval(timer);
    watch.disconnect();
  };
}

function make(id) {
  const node = link(cameraLink(id), 'tile', null);
  node.dataset.id = id;
  const frame = element('div', 'frame');
  const blank = element('span', 'blank', say('no_picture'));
  frame.append(blank);
  const body = element('div', 'tile-body');
  node.append(frame, body);
  return { id, node, frame, blank, body, image: null, shown: '', asking: false };
}

/** Asks for the newest picture; the old one stays until the new one is there. */
function look(tile) {
  if (tile.asking) return;
  tile.asking = true;
  const image = element('img');
  image.alt = '';
  image.addEventListener('load', () => {
    tile.asking = false;
    tile.frame.replaceChildren(image);
    tile.image = image;
  });
  image.addEventListener('error', () => {
    tile.asking = false;
    if (!tile.image) tile.frame.replaceChildren(tile.blank);
  });
  image.src = `/api/cameras/${encodeURIComponent(tile.id)}/picture.jpg?size=small&at=${Date.now()}`;
}

/** A camera's state in a shape and a word. */
export function stateWord(camera) {
  const word = element('p', 'state');
  word.dataset.state = camera.state;
  const dot = element('span', 'dot');
  dot.setAttribute('aria-hidden', 'true');
  word.append(dot, say(camera.state));
  return word;
}

function fill(tile, camera, view) {
  const shown = JSON.stringify([
    camera,
    view?.dropped,
    view?.owner,
    language(),
    sinceText(camera.since),
  ]);
  if (tile.shown === shown) return;
  tile.shown = shown;
  tile.node.dataset.state = camera.state;
  tell(tile.blank, say('no_picture'));
  const line = element('div', 'line spread');
  line.append(element('h2', '', camera.id), stateWord(camera));
  const place = [camera.address, camera.khu_pho && khuPhoName(camera.khu_pho)]
    .filter(Boolean)
    .join(' · ');
  const figures = [];
  if (camera.state === 'online') {
    if (typeof camera.analysed_fps === 'number')
      figures.push(say('fps', camera.analysed_fps.toFixed(1)));
    if (camera.attention) figures.push(say(camera.attention));
    if (typeof camera.latency_ms === 'number') figures.push(say('late', camera.latency_ms));
  }
  if (typeof view?.dropped === 'number') figures.push(`${say('dropped')} ${view.dropped}`);
  if (camera.since) figures.push(`${say('uptime')} ${sinceText(camera.since)}`);
  tile.body.replaceChildren(
    line,
    element('p', 'soft', place),
    element('p', 'soft', figures.join(' · ')),
  );
  if (camera.reason) tile.body.append(element('p', 'why', camera.reason));
  if (camera.clock_ahead_s && Math.abs(camera.clock_ahead_s) > 60) {
    tile.body.append(element('p', 'why', say('clock_ahead', camera.clock_ahead_s)));
  }
  if (view?.owner) tile.body.append(element('p', 'soft', consent(view.owner)));
  tile.node.title = camera.since ? say('since', moment(camera.since)) : '';
}

/** Whose camera it is, and until when it may be used. */
export function consent(owner) {
  const until = owner.consent_until;
  if (!until) return [owner.name, say('no_consent')].filter(Boolean).join(' · ');
  const left = Date.parse(until) + 86_400_000 - Date.now();
  const days = Math.ceil(left / 86_400_000);
  const when = left < 0 ? say('expired_on') : say('expires_in', `${days} ${say('day')}`);
  return [owner.name, `${say('consent')} ${until} (${when})`].filter(Boolean).join(' · ');
}
