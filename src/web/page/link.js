// The connection: the feed as it comes, the status now and then, and whether there is any signal.

import { getJson, keepFor, keepLast, lastKept, now, setZone } from './dom.js';
import { emit, hasRoom, khuPho, known, take, tellPicture } from './state.js';

const ALIVE_MS = 25_000; // The server beats every 10 s.
const RETRY_MS = 3_000;
const STATUS_MS = 5_000;
const KEEP_MS = 60_000;
const LIST_MAX = 200;
const LIST = `/api/alerts?limit=${LIST_MAX}`;
const STATUS = '/api/status';

let source;
let heard = 0;
let kept = 0;
let again = false;

function connection(link) {
  const was = known.link;
  known.link = link;
  if (link === 'down' && !known.lostAt) known.lostAt = heard ? now() - (Date.now() - heard) : now();
  if (link === 'up') known.lostAt = 0;
  if (was !== link) emit('link', link);
}

function follow() {
  if (source) source.close();
  source = new EventSource(`/events?after=${known.seen}`);
  const alive = () => {
    heard = Date.now();
    if (known.link === 'up') return;
    connection('up');
    refresh();
    whoami();
    // Pictures may be elsewhere since the daemon has started again.
    if (again)
      getJson(LIST)
        .then((list) => {
          takeList(list);
          emit('change');
        })
        .catch(() => {});
    again = true;
  };
  source.addEventListener('hello', (event) => {
    if (JSON.parse(event.data).last < known.seen) location.reload(); // The store was emptied.
    alive();
  });
  source.addEventListener('beat', alive);
  source.addEventListener('picture', (event) => {
    const { sequence, url } = JSON.parse(event.data);
    tellPicture(sequence, url);
  });
  source.addEventListener('alert', (event) => {
    alive();
    try {
      take(JSON.parse(event.data), true);
    } catch {
      return;
    }
    emit('change');
  });
  source.addEventListener('error', () => connection('down'));
}

/** Reads what is open and what was, then follows; tries again until it can. */
export async function start() {
  await Promise.all([refresh(), whoami()]);
  await load();
}

async function load() {
  try {
    const list = await getJson(LIST);
    if (known.stale) emit('forget');
    known.stale = 0;
    takeList(list);
    known.seen = list.last;
    known.oldest = reach(list);
    known.loaded = true;
    heard = Date.now();
    follow();
    keepLast(LIST, list);
    kept = Date.now();
    emit('change');
  } catch {
    connection('down');
    await showLast();
    setTimeout(load, RETRY_MS);
  }
}

/** How far back a list goes without a gap: what goes on stands in it however old it is. */
function reach(list) {
  if (list.alerts.length < LIST_MAX) return 1;
  return list.alerts.map((alert) => alert.sequence).sort((a, b) => b - a)[LIST_MAX - 1];
}

function takeList(list) {
  for (const [sequence, url] of Object.entries(list.pictures ?? {})) tellPicture(sequence, url);
  for (const alert of list.alerts) take(alert, false);
}

/** What was known before, where there is nothing newer. */
async function showLast() {
  if (known.loaded || known.stale) return;
  const [list, status] = await Promise.all([lastKept(LIST), lastKept(STATUS)]);
  if (!list || known.loaded) return;
  known.stale = list.at;
  if (status && !known.status) show(status.value);
  takeList(list.value);
  emit('change');
}

/** Older alerts than any that is known; answers whether there may be more. */
export async function older() {
  const before = known.oldest;
  if (!Number.isFinite(before) || before <= 1 || !hasRoom()) return false;
  const after = Math.max(0, before - 1 - LIST_MAX);
  const list = await getJson(`/api/alerts?after=${after}&limit=${LIST_MAX}`);
  takeList({ ...list, alerts: list.alerts.filter((alert) => alert.sequence < before) });
  known.oldest = Math.min(known.oldest, after + 1);
  emit('change');
  return known.oldest > 1 && hasRoom();
}

export async function refresh() {
  try {
    const status = await getJson(STATUS);
    show(status);
    if (Date.now() - kept > KEEP_MS && known.loaded) {
      kept = Date.now();
      keepLast(STATUS, status);
      getJson(LIST)
        .then((list) => keepLast(LIST, list))
        .catch(() => {});
    } else if (!kept) keepLast(STATUS, status);
  } catch {
    /* The feed's own state says that the daemon is away. */
  }
}

function show(status) {
  setZone(status.ward.timezone);
  known.status = status;
  khuPho.clear();
  for (const { id, name } of status.khu_pho) khuPho.set(id, name);
  emit('status', status);
}

/** Who looks, and what is allowed; a daemon without sign-in has nobody to name. */
async function whoami() {
  try {
    known.me = await getJson('/api/me');
    known.ours = known.me.khu_pho;
    await keepFor(known.me.login ?? '');
  } catch {
    known.me = null;
  }
  emit('me', known.me);
}

setInterval(refresh, STATUS_MS);
setInterval(() => {
  if (!source) return;
  const silent = Date.now() - heard > ALIVE_MS;
  if (silent) connection('down');
  if (silent || source.readyState === EventSource.CLOSED) {
    if (Date.now() - heard < RETRY_MS) return;
    follow();
  }
}, RETRY_MS);
// A laptop that slept or a phone that was pocketed asks at once.
const wake = () => {
  if (document.hidden || !source) return;
  if (Date.now() - heard > ALIVE_MS || source.readyState === EventSource.CLOSED) follow();
};
document.addEventListener('visibilitychange', wake);
window.addEventListener('online', wake);
window.addEventListener('pageshow', wake);
