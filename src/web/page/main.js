// The frame around every page: which one is shown, the bars above it, language and theme.

import {
  $,
  clockText,
  element,
  moment,
  now,
  span,
  tell,
  zoneKnown,
  cameraLink,
  link,
} from './dom.js';
import { signOut } from './act.js';
import { cameraPage } from './camera.js';
import { camerasPage } from './cameras.js';
import { feedPage, startFeed } from './feed.js';
import { startGong } from './gong.js';
import { incidentPage } from './incident.js';
import { start } from './link.js';
import { startPush, stopPush } from './push.js';
import { emit, incidents, isGoing, khuPhoName, known, on, order } from './state.js';
import { statisticsPage } from './statistics.js';
import { systemPage } from './system.js';
import { startTelling } from './tell.js';
import { language, say, sayAll, storage, switchLanguage } from './words.js';

const THEME = 'keng.theme';

// Pages.

const PAGES = [
  [/^\/$/, 'feed', (main, query) => feedPage(main, query)],
  [
    /^\/incident\/([^/]+)\/([^/]+)$/,
    'feed',
    (main, _, khuPho, id) => incidentPage(main, khuPho, id),
  ],
  [/^\/cameras$/, 'cameras', (main) => camerasPage(main)],
  [/^\/camera\/([^/]+)$/, 'cameras', (main, _, id) => cameraPage(main, id)],
  [/^\/statistics$/, 'statistics', (main, query) => statisticsPage(main, query)],
  [/^\/system$/, 'system', (main) => systemPage(main)],
];
let leave = () => {};

function show(moved) {
  const [path, search] = (location.hash.slice(1) || '/').split('?');
  leave();
  leave = () => {};
  const main = $('main');
  const query = new URLSearchParams(search ?? '');
  for (const [form, name, open] of PAGES) {
    const found = form.exec(path);
    if (!found) continue;
    for (const entry of document.querySelectorAll('.nav a')) {
      if (entry.dataset.page === name) entry.setAttribute('aria-current', 'page');
      else entry.removeAttribute('aria-current');
    }
    main.replaceChildren();
    leave = open(main, query, ...found.slice(1).map(decode)) ?? (() => {});
    if (moved) {
      window.scrollTo(0, 0);
      main.focus({ preventScroll: true });
    }
    status();
    return;
  }
  main.replaceChildren(element('p', 'none', say('not_found')));
}
function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

// The bars above every page.

const LINKS = { up: 'live', wait: 'joining', down: 'lost' };

function connection() {
  const down = known.link === 'down';
  $('link').dataset.state = known.link;
  tell($('link-text'), say(LINKS[known.link]));
  $('down').hidden = !down;
  document.body.classList.toggle('is-down', down);
  tell($('down-title'), say('down'));
  if (down) {
    const lasted = span((now() - known.lostAt) / 1_000);
    tell($('down-text'), say('down_text', clockText(known.lostAt), lasted));
  }
  $('old').hidden = !known.stale;
  if (known.stale)
    tell($('old-text'), say('old_text', moment(new Date(known.stale).toISOString())));
  title();
}

function title() {
  const going = [...incidents.values()].filter(({ alert }) => isGoing(alert)).sort(order);
  const lost = known.link === 'down' ? `${say('down')} · ` : '';
  const first = going[0] ? `(${going.length}) ${say(going[0].alert.kind).toUpperCase()} · ` : '';
  document.title = `${lost}${first}Kẻng`;
  $('nav-open').hidden = going.length === 0;
  tell($('nav-open'), String(going.length));
}

function status() {
  const told = known.status;
  if (!told) return;
  tick();
  tell($('ward'), told.ward.name);
  $('not-ready').hidden = !told.not_ready;
  tell($('not-ready-text'), told.not_ready ?? '');
  $('fault').hidden = !told.reload_error;
  tell($('fault-text'), told.reload_error ?? '');
  const bad = told.cameras.filter((camera) => camera.state !== 'online').length;
  $('nav-bad').hidden = bad === 0;
  tell($('nav-bad'), String(bad));
  if ($('cameras')) side(told);
}

/** The cameras beside the feed: those with trouble first. */
function side(status) {
  const good = (camera) => (camera.state === 'online' ? 1 : 0);
  const cameras = [...status.cameras].sort((a, b) => good(a) - good(b));
  tell($('camera-count'), `${cameras.filter(good).length}/${cameras.length}`);
  const shown = JSON.stringify([language(), cameras]);
  if ($('cameras').dataset.shown !== shown) {
    $('cameras').dataset.shown = shown;
    const rows = cameras.map(row);
    $('cameras').replaceChildren(...(rows.length ? rows : [element('li', 'no', say('no_camera'))]));
  }
  const short = status.degraded ? say('short', Math.round(status.granted * 100)) : '';
  const broker = say(status.broker_up ? 'broker_up' : 'broker_down');
  tell($('system'), [short, broker, say('version', status.version)].filter(Boolean).join(' · '));
}
function row(camera) {
  const item = element('li');
  item.dataset.state = camera.state;
  const text = element('div');
  text.append(link(cameraLink(camera.id), 'name', camera.id));
  const since = camera.since ? say('since', moment(camera.since)) : '';
  const place = camera.khu_pho ? khuPhoName(camera.khu_pho) : '';
  const sub = [say(camera.state), since, camera.address, place].filter(Boolean).join(' · ');
  text.append(element('p', 'sub', sub));
  const dot = element('span', 'dot');
  dot.setAttribute('aria-hidden', 'true');
  item.append(dot, text);
  if (camera.state === 'online' && typeof camera.analysed_fps === 'number') {
    item.append(element('span', 'fps', say('fps', camera.analysed_fps.toFixed(1))));
  }
  return item;
}

function tick() {
  if (zoneKnown()) tell($('clock'), clockText(now()));
  if (known.link === 'down') connection();
}

// Language and theme.

function theme() {
  const light = storage.get(THEME) === 'light';
  document.documentElement.dataset.theme = light ? 'light' : 'dark';
  document.querySelector('meta[name="theme-color"]').content = light ? '#ffffff' : '#151b23';
  tell($('theme'), say(light ? 'theme_dark' : 'theme_light'));
}
$('sign-out').addEventListener('click', () => stopPush().then(signOut));
$('theme').addEventListener('click', () => {
  storage.set(THEME, storage.get(THEME) === 'light' ? 'dark' : 'light');
  theme();
});
$('lang').addEventListener('click', () => {
  switchLanguage();
  words();
  emit('words');
  show(false);
});
function words() {
  sayAll();
  $('lang').lang = language() === 'vi' ? 'en' : 'vi';
  theme();
  connection();
}

// Start.

let titled = false;
on('change', () => {
  if (titled) return;
  titled = true;
  requestAnimationFrame(() => {
    titled = false;
    connection();
  });
});
on('link', connection);
on('alert', (alert, calls) => {
  if (calls) tell($('news'), alert.message);
});
on('me', (me) => {
  tell($('signed'), me ? (me.banner ?? say('signed', me.name)) : '');
  $('sign-out').hidden = !me?.login;
  // A daemon that names nobody shows everything to whoever is at its machine.
  document.querySelector('.nav [data-page="system"]').hidden = me !== null && me.role !== 'admin';
});
on('status', status);
window.addEventListener('hashchange', () => {
  // Whoever goes back wants the enlarged picture gone, and nothing lies over the next page.
  $('large').close();
  show(true);
});
document.querySelector('.skip').addEventListener('click', (event) => {
  event.preventDefault();
  $('main').focus();
});
setInterval(tick, 1_000);
words();
startFeed();
startTelling();
startGong();
startPush();
show(false);
start();
navigator.serviceWorker?.register('/sw.js').catch(() => {});
