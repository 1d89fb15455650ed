// What is known: incidents by id, khu phố, status, who is looking. No elements here.

import { KINDS, STATES } from './terms.js';

// Memory stays flat over weeks: incidents that are over go first, the oldest of them.
const OVER_MAX = 600;
const PICTURES_MAX = 4_000;

/** id: { alert, picture, pictured: its sequence, node, shown, fresh } */
export const incidents = new Map();
export const khuPho = new Map();
export const known = {
  seen: 0, // Newest sequence.
  oldest: Infinity, // Every alert from this sequence on is known, unless it was forgotten.
  loaded: false, // Until then nobody knows whether the ward is quiet.
  stale: 0, // When what is shown was kept, where it is an old copy.
  status: null,
  me: null,
  ours: null, // Ids of the khu phố that are ours, once known; null: all. Stays when `me` goes.
  link: 'wait',
  lostAt: 0,
};

// Where pictures are, by sequence: the server tells; nobody else can know.
const pictures = new Map();
export function tellPicture(sequence, url) {
  pictures.set(Number(sequence), url);
  if (pictures.size > PICTURES_MAX) pictures.delete(pictures.keys().next().value);
}
export const pictureOf = (alert) => pictures.get(Number(alert.sequence)) ?? '';

const listeners = new Map();
export function on(what, act) {
  if (!listeners.has(what)) listeners.set(what, new Set());
  listeners.get(what).add(act);
  return () => listeners.get(what).delete(act);
}
export function emit(what, ...detail) {
  for (const act of listeners.get(what) ?? []) act(...detail);
}

export const isGoing = (alert) => STATES.get(alert.state)?.closed === false;
/** Whether it is for whoever looks to answer; what only their cameras see too is to be known. */
export const isOurs = (alert) => known.ours?.includes(alert.khu_pho) ?? true;
const burns = (alert) => KINDS.get(alert.kind)?.burns === true;
/** What the gong strikes for, until somebody takes it. */
export const isLoud = (alert) =>
  isOurs(alert) && alert.state === 'open' && (burns(alert) || alert.severity === 'critical');

/** Takes an alert in; `live`: it has just come. Redeliveries and old revisions change nothing. */
export function take(alert, live) {
  if (!alert || typeof alert.id !== 'string' || typeof alert.khu_pho !== 'string') return;
  const sequence = Number(alert.sequence) || 0;
  known.seen = Math.max(known.seen, sequence);
  const picture = pictureOf(alert);
  const before = incidents.get(alert.id);
  if (before) {
    if (picture && sequence >= before.pictured) {
      before.picture = picture;
      before.pictured = sequence;
    }
    if (alert.revision <= before.alert.revision) return;
    const called = Boolean(alert.escalated_at) && !before.alert.escalated_at;
    before.alert = alert;
    if (live) emit('alert', alert, called && isGoing(alert));
    return;
  }
  const pictured = picture ? sequence : 0;
  incidents.set(alert.id, { alert, picture, pictured, node: null, shown: '', fresh: live });
  forget();
  if (live) emit('alert', alert, isGoing(alert));
}

function forget() {
  const over = [...incidents.values()].filter(({ alert }) => !isGoing(alert));
  if (over.length <= OVER_MAX) return;
  over.sort((a, b) => a.alert.sequence - b.alert.sequence);
  for (const { alert } of over.slice(0, over.length - OVER_MAX)) {
    incidents.delete(alert.id);
    known.oldest = Math.max(known.oldest, Number(alert.sequence) || 0);
  }
}
/** Whether there is room for older ones. */
export function hasRoom() {
  let over = 0;
  for (const { alert } of incidents.values()) if (!isGoing(alert)) over += 1;
  return over < OVER_MAX;
}

/** What burns before what does not, and of it what nobody has taken; then the newest. */
export function order(a, b) {
  const rank = (alert) => {
    if (isLoud(alert)) return 0;
    return burns(alert) || alert.severity === 'critical' ? 1 : 2;
  };
  return (
    rank(a.alert) - rank(b.alert) ||
    Date.parse(b.alert.opened_at) - Date.parse(a.alert.opened_at) ||
    b.alert.sequence - a.alert.sequence
  );
}
export const khuPhoName = (id) => khuPho.get(id) || id;
