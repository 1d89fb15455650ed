// Elements and times. Whatever comes from outside becomes text, never markup.

import { say } from './words.js';

export const $ = (id) => document.getElementById(id);

/** An element; `text` is shown as text. */
export function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined && text !== null) made.textContent = String(text);
  return made;
}
export function button(className, text, act) {
  const made = element('button', className, text);
  made.type = 'button';
  if (act) made.addEventListener('click', act);
  return made;
}
export function link(href, className, text) {
  const made = element('a', className, text);
  made.href = href;
  return made;
}
export function svg(tag, attributes = {}, text) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  if (text !== undefined) made.textContent = text;
  return made;
}
/** Sets text only where it differs: screen readers read what is set. */
export function tell(node, text) {
  if (node && node.textContent !== text) node.textContent = text;
}
/** Rows of a name and what it is; empty ones are left out. */
export function rows(pairs) {
  const list = element('dl', 'rows');
  for (const [name, value] of pairs) {
    if (value === undefined || value === null || value === '') continue;
    const what = element('dd');
    what.append(value);
    list.append(element('dt', '', name), what);
  }
  return list;
}
/** A link within the page; ids come from outside. */
export const incidentLink = (alert) =>
  `#/incident/${encodeURIComponent(alert.khu_pho)}/${encodeURIComponent(alert.id)}`;
export const cameraLink = (id) => `#/camera/${encodeURIComponent(id)}`;

// A button that is drawn anew between press and release never hears of the click: what is drawn
// while a finger or a mouse button is down waits until it is lifted.

const HOLD_MS = 8_000; // A finger that rests on the screen stops no news.
const TAP_MS = 60; // A tap's click comes a little after the finger is gone.
const held = new Set();
let pressed = false;
let lifting = 0;

/** Draws now, or as soon as nothing is pressed. */
export function drawCalmly(draw) {
  if (pressed) held.add(draw);
  else draw();
}
function lift() {
  pressed = false;
  const waiting = [...held];
  held.clear();
  for (const draw of waiting) requestAnimationFrame(draw);
}
function liftIn(ms) {
  clearTimeout(lifting);
  lifting = setTimeout(lift, ms);
}
addEventListener(
  'pointerdown',
  () => {
    pressed = true;
    liftIn(HOLD_MS);
  },
  true,
);
for (const over of ['pointerup', 'pointercancel', 'blur']) {
  addEventListener(over, () => pressed && liftIn(TAP_MS), true);
}

// Times in the ward's zone, by the server's clock: an old PC's may be hours off.

let zone;
let ahead = 0;
const forms = new Map();

export function setZone(name) {
  const wanted = name || undefined;
  if (wanted !== zone) {
    zone = wanted;
    forms.clear();
  }
}
export const zoneKnown = () => zone !== undefined;
export function setServerTime(header) {
  const there = Date.parse(header ?? '');
  if (Number.isNaN(there)) return;
  const off = there - Date.now();
  ahead = Math.abs(off) > 2_000 ? off : 0;
}
export const now = () => Date.now() + ahead;

function form(key, options) {
  if (!forms.has(key)) {
    forms.set(key, new Intl.DateTimeFormat('en-GB', { ...options, timeZone: zone }));
  }
  return forms.get(key);
}
export function clockText(at, seconds = true) {
  const clock = { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' };
  if (seconds) clock.second = '2-digit';
  return form(`clock${seconds}`, clock).format(at);
}
export function dayText(at) {
  return form('day', { day: '2-digit', month: '2-digit' }).format(at);
}
/** The ward's date, as fields of forms have it. */
export function isoDay(at) {
  const date = { day: '2-digit', month: '2-digit', year: 'numeric' };
  return form('date', date).format(at).split('/').reverse().join('-');
}
export function moment(text) {
  const at = Date.parse(text ?? '');
  if (Number.isNaN(at)) return '';
  return dayText(at) === dayText(now()) ? clockText(at) : `${clockText(at, false)} ${dayText(at)}`;
}
export function span(seconds) {
  if (seconds < 90) return `${Math.max(0, Math.round(seconds))} ${say('sec')}`;
  if (seconds < 5_400) return `${Math.round(seconds / 60)} ${say('min')}`;
  if (seconds < 172_800) return `${Math.round(seconds / 3_600)} ${say('hour')}`;
  return `${Math.round(seconds / 86_400)} ${say('day')}`;
}
export function sinceText(text) {
  const seconds = (now() - Date.parse(text ?? '')) / 1_000;
  return Number.isNaN(seconds) ? '' : span(seconds);
}
export function ago(text) {
  const seconds = (now() - Date.parse(text ?? '')) / 1_000;
  if (Number.isNaN(seconds)) return '';
  return seconds < 10 ? say('now') : say('ago', span(seconds));
}

/** To the sign-in page and back again; what was kept here is not for whoever comes next. */
export async function signIn() {
  await forgetLast();
  location.assign(`/sign-in?next=${encodeURIComponent(`/${location.hash}`)}`);
}

/** Fetches JSON within ten seconds; whoever is not signed in is sent to sign in. */
export async function getJson(path) {
  const answer = await fetch(path, { signal: AbortSignal.timeout(10_000) });
  if (answer.status === 401) await signIn();
  if (!answer.ok) throw Object.assign(new Error(String(answer.status)), { status: answer.status });
  setServerTime(answer.headers.get('date'));
  return answer.json();
}

// The last known state, for when the daemon is away. Kept on this device until sign-out, with the
// login whose it is: another one who signs in here finds nothing of it.

const LAST = 'keng-last';
let keeper = null; // Until it is known who looks, nothing is kept.
/** Whoever looks is `login`; what was kept for somebody else goes. */
export async function keepFor(login) {
  keeper = login;
  try {
    const cache = await caches.open(LAST);
    for (const path of await cache.keys()) {
      // What is gone by now, another sweep took away.
      const kept = await cache.match(path);
      if (kept && (await kept.json()).login !== login) await cache.delete(path);
    }
  } catch {
    await forgetLast();
  }
}
export async function keepLast(path, value) {
  if (keeper === null) return;
  try {
    const cache = await caches.open(LAST);
    const kept = JSON.stringify({ at: now(), login: keeper, value });
    await cache.put(path, new Response(kept, { headers: { 'content-type': 'application/json' } }));
  } catch {
    /* No room or no permission: then there is no last known state. */
  }
}
export async function lastKept(path) {
  try {
    const cache = await caches.open(LAST);
    const kept = await (await cache.match(path))?.json();
    if (typeof kept?.login !== 'string') return null;
    return keeper === null || keeper === kept.login ? kept : null;
  } catch {
    return null;
  }
}
export async function forgetLast() {
  try {
    await caches.delete(LAST);
  } catch {
    /* There was none. */
  }
}
