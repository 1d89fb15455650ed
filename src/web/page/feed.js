// The feed: what goes on, then what is over; only what has changed is drawn anew.

import { enable } from './act.js';
import { age, card } from './card.js';
import { $, drawCalmly, element, now, tell } from './dom.js';
import { older } from './link.js';
import { incidents, isGoing, isOurs, khuPho, khuPhoName, known, on, order } from './state.js';
import { tellButtons } from './tell.js';
import { KINDS, STATES } from './terms.js';
import { language, say, sayAll } from './words.js';

const PAST_SHOWN = 60;
const HOURS = { hour1: 1, hour8: 8, day1: 24, day7: 168 };
const FILTERED_STATES = ['going', 'over', ...STATES.keys()];
const FIELDS = ['kp', 'kind', 'state', 'time', 'q'];

let filter = Object.fromEntries(FIELDS.map((field) => [field, '']));
let pastShown = PAST_SHOWN;
let mounted = false;

/** Shows the feed in `main`, filtered as the address says. */
export function feedPage(main, query) {
  for (const field of FIELDS) filter[field] = query.get(field) ?? '';
  main.replaceChildren($('feed-template').content.cloneNode(true));
  sayAll(main);
  fillFilter();
  for (const field of FIELDS) {
    const input = $(`f-${field}`);
    input.value = filter[field];
    input.addEventListener(field === 'q' ? 'input' : 'change', () => {
      filter[field] = input.value;
      remember();
      draw();
      if (field === 'time') reachBack();
    });
  }
  $('filter').addEventListener('submit', (event) => event.preventDefault());
  $('f-clear').addEventListener('click', () => {
    for (const field of FIELDS) {
      filter[field] = '';
      $(`f-${field}`).value = '';
    }
    remember();
    draw();
    $('f-q').focus();
  });
  $('filter-toggle').addEventListener('click', () => {
    const shown = $('filter').classList.toggle('unfolded');
    $('filter-toggle').setAttribute('aria-expanded', String(shown));
  });
  $('older').addEventListener('click', more);
  tellButtons();
  mounted = true;
  draw();
  if (filter.time) reachBack();
  return () => {
    mounted = false;
  };
}

function remember() {
  const query = new URLSearchParams(FIELDS.filter((f) => filter[f]).map((f) => [f, filter[f]]));
  const text = query.toString();
  history.replaceState(null, '', text ? `#/?${text}` : '#/');
}

function option(value, text) {
  const made = element('option', '', text);
  made.value = value;
  return made;
}
function fillFilter() {
  const put = (id, all, rest) => $(id).replaceChildren(option('', say(all)), ...rest);
  put(
    'f-kp',
    'all_khu_pho',
    [...khuPho].map(([id, name]) => option(id, name)),
  );
  put(
    'f-kind',
    'all_kinds',
    [...KINDS.keys()].map((kind) => option(kind, say(kind))),
  );
  put(
    'f-state',
    'all_states',
    FILTERED_STATES.map((state) => option(state, say(state))),
  );
  put(
    'f-time',
    'all_times',
    Object.keys(HOURS).map((key) => option(key, say(key))),
  );
  $('f-kp').dataset.names = names();
  $('f-kp').parentElement.hidden = khuPho.size < 2;
}
const names = () => JSON.stringify([...khuPho]);

const plain = (text) =>
  text.normalize('NFD').replace(/\p{M}/gu, '').replace(/[đĐ]/g, 'd').toLowerCase();

/** What a search looks at; without marks, since nobody types them in a hurry. */
function textOf(incident) {
  const { alert } = incident;
  if (incident.textOf !== alert) {
    const cameras = (alert.cameras ?? []).flatMap((c) => [c.id, c.address, c.zone]);
    const people = (alert.reports ?? []).flatMap((r) => [r.by, r.place, r.note]);
    const taken = [alert.acknowledged, alert.on_scene, alert.closed].flatMap((s) => [
      s?.by,
      s?.note,
    ]);
    const all = [
      alert.id,
      alert.message,
      khuPhoName(alert.khu_pho),
      ...cameras,
      ...people,
      ...taken,
    ];
    incident.text = plain(all.filter(Boolean).join(' '));
    incident.textOf = alert;
  }
  return incident.text;
}

function fits(words, from) {
  return (incident) => {
    const { alert } = incident;
    if (filter.kp && alert.khu_pho !== filter.kp) return false;
    if (filter.kind && alert.kind !== filter.kind) return false;
    if (filter.state === 'going' ? !isGoing(alert) : filter.state === 'over' && isGoing(alert))
      return false;
    const exact = filter.state && filter.state !== 'going' && filter.state !== 'over';
    if (exact && alert.state !== filter.state) return false;
    if (from && Date.parse(alert.updated_at) < from) return false;
    return words.every((word) => textOf(incident).includes(word));
  };
}
const from = () => (HOURS[filter.time] ? now() - HOURS[filter.time] * 3_600_000 : 0);

function draw() {
  if (!mounted) return;
  const words = plain(filter.q).split(/\s+/).filter(Boolean);
  const all = [...incidents.values()];
  const shown = all.filter(fits(words, from()));
  const going = shown.filter(({ alert }) => isGoing(alert)).sort(order);
  const over = shown
    .filter(({ alert }) => !isGoing(alert))
    .sort((a, b) => b.alert.sequence - a.alert.sequence);
  fill($('open'), going);
  fill($('past'), over.slice(0, pastShown));
  tell($('open-count'), String(going.length));
  tell($('past-count'), String(over.length));
  $('open-heading').hidden = going.length === 0;
  $('past-heading').hidden = over.length === 0;
  const filtered = FIELDS.some((field) => filter[field]);
  $('f-clear').hidden = !filtered;
  const hidden = all.filter(({ alert }) => isGoing(alert)).length - going.length;
  $('hidden-open').hidden = hidden === 0;
  if (hidden) tell($('hidden-open'), say('hidden_open', hidden));
  quiet(going.length + hidden, filtered && shown.length === 0);
  $('older').hidden =
    !known.loaded || known.link !== 'up' || (over.length <= pastShown && known.oldest <= 1);
}

/** Says that nothing goes on only where that is known, and who watches. */
function quiet(open, none) {
  const sure = known.loaded && known.link === 'up';
  $('quiet').hidden = open > 0 || !sure;
  $('none-match').hidden = !none || open === 0;
  const cameras = known.status?.cameras ?? [];
  const online = cameras.filter((camera) => camera.state === 'online').length;
  const text = online ? say('quiet_text', online, cameras.length) : say('quiet_blind');
  tell($('quiet-text'), text);
  $('quiet').dataset.state = online ? 'watching' : 'blind';
}

/** Makes the children of `box` the cards of `list`; nothing that stands right is touched. */
function fill(box, list) {
  let at = box.firstElementChild;
  for (const incident of list) {
    const { alert, pictured } = incident;
    const name = khuPhoName(alert.khu_pho);
    const version = [alert.revision, pictured, name, language(), isOurs(alert)].join('/');
    if (incident.shown !== version || !incident.node) {
      const made = card(incident);
      if (incident.node?.parentElement === box) {
        if (incident.node === at) at = made;
        const focused = incident.node.contains(document.activeElement)
          ? document.activeElement.dataset?.action
          : undefined;
        incident.node.replaceWith(made);
        if (focused)
          (made.querySelector(`[data-action="${focused}"]`) ?? made.querySelector('a'))?.focus();
      }
      incident.node = made;
      incident.shown = version;
      incident.fresh = false;
    }
    if (incident.node === at) at = at.nextElementSibling;
    else box.insertBefore(incident.node, at);
  }
  while (at) {
    const next = at.nextElementSibling;
    at.remove();
    at = next;
  }
}

let reaching = false;
/** Loads older ones until the time asked for is reached. */
async function reachBack() {
  if (reaching || !filter.time) return;
  reaching = true;
  try {
    while (mounted && filter.time && oldestAt() > from() && (await older()));
  } catch {
    /* What is known is shown all the same. */
  }
  reaching = false;
}
function oldestAt() {
  let first;
  for (const { alert } of incidents.values()) {
    if (!isGoing(alert) && (!first || alert.sequence < first.sequence)) first = alert;
  }
  return first ? Date.parse(first.updated_at) : now();
}
async function more() {
  pastShown += PAST_SHOWN;
  const asked = $('older');
  asked.disabled = true;
  try {
    if (!(await older())) tell($('older-told'), known.oldest <= 1 ? say('oldest') : '');
  } catch (error) {
    tell($('older-told'), say('failed', error.message));
  }
  asked.disabled = false;
  draw();
}

let scheduled = false;
function schedule() {
  if (scheduled || !mounted) return;
  scheduled = true;
  requestAnimationFrame(() => {
    scheduled = false;
    drawCalmly(draw);
  });
}

/** What concerns the feed whether or not it is on the screen. */
export function startFeed() {
  on('change', schedule);
  on('forget', () => incidents.clear());
  on('status', () => {
    if (mounted && $('f-kp').dataset.names !== names()) {
      fillFilter();
      $('f-kp').value = filter.kp;
    }
    schedule();
  });
  const answers = () => {
    for (const box of document.querySelectorAll('.actions')) enable(box);
    schedule();
  };
  on('me', answers);
  on('link', () => {
    // Pictures that could not be had while the daemon was away.
    for (const incident of incidents.values()) {
      if (incident.failed && known.link === 'up') {
        incident.failed = false;
        incident.shown = '';
      }
    }
    answers();
  });
  setInterval(() => {
    if (!document.hidden) age(document);
  }, 5_000);
}
