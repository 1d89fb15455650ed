// Of each camera of an incident a picture of before, of when it was told, and of seconds after.

import { enlarge } from './card.js';
import { button, element, moment as momentText, now } from './dom.js';
import { say } from './words.js';

const MOMENTS = ['before', 'at', 'after'];
// So long a picture of after may take to come, and the first ones of a camera that has just joined.
const AFTER_MS = 70_000;
const FIRST_MS = 15_000;

const list = (value) => (Array.isArray(value) ? value : []);
const age = (text) => now() - Date.parse(text ?? '');
const find = (pictures, camera, moment) =>
  pictures.find((one) => one.camera === camera && one.moment === moment);

/** Whether its picture of after is still on its way. */
function isComing(pictures, camera) {
  const at = find(pictures, camera, 'at');
  return Boolean(at) && !find(pictures, camera, 'after') && age(at.at) < AFTER_MS;
}

/** Whether it is worth asking again soon: pictures are written a little after their alert. */
export function areComing(told, alert) {
  const pictures = list(told);
  const fresh = age(alert?.updated_at) < FIRST_MS;
  return list(alert?.cameras).some(
    ({ id }) => isComing(pictures, id) || (fresh && !find(pictures, id, 'at')),
  );
}

/** A row of three a camera, in the alert's order of cameras; null where there is none. */
export function moments(told, alert) {
  const pictures = list(told);
  const places = new Map(list(alert.cameras).map((camera) => [camera.id, camera.address]));
  const ids = [...new Set([...places.keys(), ...pictures.map((one) => one.camera)])];
  const shown = ids.filter((id) => pictures.some((one) => one.camera === id));
  if (!shown.length) return null;
  const made = element('section', 'part');
  made.append(element('h2', '', say('moments')));
  for (const id of shown) {
    const place = [id, places.get(id)].filter(Boolean).join(' · ');
    const row = element('ol', 'moments');
    row.setAttribute('aria-label', place);
    for (const moment of MOMENTS) row.append(frame(pictures, id, moment, place));
    made.append(element('h3', '', place), row);
  }
  return made;
}

function frame(pictures, camera, moment, place) {
  const one = find(pictures, camera, moment);
  const item = element('li');
  item.dataset.moment = moment;
  const name = element('span', 'strong-small', say(`moment_${moment}`));
  if (!one) {
    const why = moment === 'after' && isComing(pictures, camera) ? 'coming' : 'no_picture';
    item.append(element('span', 'blank', say(why)), name);
    return item;
  }
  const when = momentText(one.at);
  const what = `${place} · ${say(`moment_${moment}`)} · ${when}`;
  const large = button('picture', null, () => enlarge(one.url, what));
  large.dataset.picture = `${camera} ${moment}`;
  large.setAttribute('aria-label', say('enlarge', what));
  const image = element('img');
  image.alt = '';
  image.loading = 'lazy';
  image.addEventListener('error', () =>
    large.replaceWith(element('span', 'blank', say('no_picture'))),
  );
  image.src = one.url;
  large.append(image);
  const time = element('time', 'soft', when);
  time.dateTime = one.at;
  item.append(large, name, time);
  return item;
}
