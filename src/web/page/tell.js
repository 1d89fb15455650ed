// What people tell of their own accord: that they saw something, and that a patrol is on its way.

import { actAt, enable } from './act.js';
import { $, element, getJson, tell } from './dom.js';
import { khuPho, khuPhoName, known } from './state.js';
import { KINDS } from './terms.js';
import { say } from './words.js';

const reportable = () => [...KINDS].filter(([, terms]) => terms.reportable).map(([kind]) => kind);

function options(select, pairs) {
  const made = pairs.map(([value, text]) => {
    const option = element('option', '', text);
    option.value = value;
    return option;
  });
  select.replaceChildren(...made);
}

/** The khu phố that are theirs to speak for. */
const theirs = () => known.me?.khu_pho ?? [...khuPho.keys()];

/** Gives the feed's two buttons their work. */
export function tellButtons() {
  $('tell-report').addEventListener('click', openReport);
  $('tell-patrol').addEventListener('click', openPatrol);
  enable($('tell'));
}

function opened(box) {
  const form = box.querySelector('form');
  form.reset();
  tell(form.querySelector('.told'), '');
  options(
    form.elements.khu_pho,
    theirs().map((id) => [id, khuPhoName(id)]),
  );
  form.elements.khu_pho.parentElement.hidden = theirs().length < 2;
  box.showModal();
  return form;
}

function openReport() {
  const form = opened($('report-box'));
  options(form.elements.kind, [
    ['', say('choose')],
    ...reportable().map((kind) => [kind, say(kind)]),
  ]);
  // Drills are for those who answer for them.
  const mayDrill = ['police', 'admin'].includes(known.me?.role);
  form.elements.exercise.closest('label').hidden = !mayDrill;
}

let zones = [];
async function openPatrol() {
  const form = opened($('patrol-box'));
  const list = () => {
    const names = zones.filter((zone) => zone.khu_pho === form.elements.khu_pho.value);
    const unique = [...new Set(names.map((zone) => zone.name))].sort();
    options(form.elements.zone, [['', say('patrol_all')], ...unique.map((name) => [name, name])]);
  };
  form.elements.khu_pho.onchange = list;
  list();
  const views = await getJson('/api/cameras').catch(() => ({ cameras: [] }));
  zones = views.cameras.flatMap((camera) =>
    camera.zones.map(({ name }) => ({ name, khu_pho: camera.khu_pho })),
  );
  const chosen = form.elements.zone.value;
  list();
  form.elements.zone.value = chosen;
}

/** Sends a form; it stays open with the reason where nothing came of it. */
async function send(box, path, body, done) {
  const form = box.querySelector('form');
  const [told, submit] = [form.querySelector('.told'), form.querySelector('.primary')];
  submit.disabled = true;
  tell(told, say('acting'));
  try {
    await actAt(`/api/khu-pho/${encodeURIComponent(form.elements.khu_pho.value)}/${path}`, body);
    box.close();
    const line = $('tell')?.querySelector('.told');
    if (line) tell(line, done);
  } catch (error) {
    told.dataset.kind = 'failed';
    const why = error.name === 'TimeoutError' ? '10 s' : error.message;
    tell(told, `${say('act_failed', why)} ${say('act_again')}`);
  }
  submit.disabled = false;
}

/** Gives the two boxes their work, once. */
export function startTelling() {
  for (const box of [$('report-box'), $('patrol-box')]) {
    box.querySelector('[data-close]').addEventListener('click', () => box.close());
  }
  $('report-form').addEventListener('submit', (event) => {
    event.preventDefault();
    const { kind, place, note, exercise } = event.target.elements;
    const body = { kind: kind.value, exercise: exercise.checked };
    if (place.value.trim()) body.place = place.value.trim();
    if (note.value.trim()) body.note = note.value.trim();
    send($('report-box'), 'report', body, say('reported', say(kind.value)));
  });
  $('patrol-form').addEventListener('submit', (event) => {
    event.preventDefault();
    const { minutes, zone } = event.target.elements;
    const body = { minutes: Number(minutes.value) };
    if (zone.value) body.zone = zone.value;
    send($('patrol-box'), 'patrol', body, say('patrolling', body.minutes));
  });
}
