// One incident's card.

import { actions } from './act.js';
import { ago, button, element, $, incidentLink, link, moment, sinceText, span } from './dom.js';
import { isGoing, isLoud, khuPhoName } from './state.js';
import { KINDS } from './terms.js';
import { say } from './words.js';

// Kinds and severities have shapes beside their colours.
export const mark = (kind) => KINDS.get(kind)?.mark ?? '✚';

const list = (value) => (Array.isArray(value) ? value : []);

/** An incident as a card. */
export function card(incident) {
  const { alert, picture } = incident;
  const going = isGoing(alert);
  const node = element('article', 'card');
  node.dataset.kind = alert.kind;
  node.dataset.id = alert.id;
  if (isLoud(alert)) node.classList.add('hot');
  if (!going) node.classList.add('past');
  if (incident.fresh) node.classList.add('fresh');
  if (picture) node.append(shot(incident));
  else node.classList.add('bare');

  const body = element('div', 'body');
  body.append(head(alert), message(alert), where(alert));
  if (going) body.append(...help(alert));
  body.append(facts(alert, going));
  const answers = actions(() => incident.alert);
  if (answers) body.append(answers);
  node.append(body);
  return node;
}

/** Kind, severity, state and what else is urgent, in shapes and words. */
export function head(alert, level = 'h3') {
  const line = element('div', 'line');
  const kind = element(level, 'kind');
  const shape = element('span', 'mark', mark(alert.kind));
  shape.setAttribute('aria-hidden', 'true');
  kind.append(shape, ` ${say(alert.kind)}`);
  const chip = element('span', 'chip', say(alert.state));
  chip.dataset.state = alert.state;
  line.append(kind, chip);
  if (isGoing(alert) && alert.severity === 'critical') {
    line.append(element('span', 'chip severe', `!! ${say('critical')}`));
  }
  if (alert.exercise) line.append(element('span', 'chip exercise', say('exercise')));
  if (alert.state === 'open' && alert.escalated_at) {
    line.append(element('span', 'chip alarm', say('escalated')));
  }
  if (alert.siren?.state === 'on') line.append(element('span', 'chip alarm', say('siren')));
  const when = element('time', 'when');
  when.dateTime = alert.opened_at ?? '';
  when.dataset.at = alert.opened_at ?? '';
  when.textContent = whenText(alert.opened_at);
  line.append(when);
  return line;
}
export const whenText = (at) => `${moment(at)} · ${ago(at)}`;

function message(alert) {
  const line = element('p', 'message');
  line.append(link(incidentLink(alert), '', alert.message || say(alert.kind)));
  return line;
}

function where(alert) {
  const line = element('p', 'where');
  line.append(element('b', '', khuPhoName(alert.khu_pho)));
  const cameras = list(alert.cameras);
  const places = [...new Set(cameras.map((camera) => camera.address).filter(Boolean))];
  if (places.length) line.append(` · ${places.slice(0, 3).join(' · ')}`);
  if (cameras.length) line.append(` · ${say('cams', cameras.length)}`);
  for (const camera of cameras.slice(0, 4)) {
    const parts = [camera.id];
    if (camera.zone) parts.push(camera.zone);
    if (camera.fault) parts.push(say(camera.fault));
    if (typeof camera.confidence === 'number')
      parts.push(`${Math.round(camera.confidence * 100)} %`);
    line.append(' ', element('span', 'seen', parts.join(' · ')));
  }
  return line;
}

function shot(incident) {
  const { alert } = incident;
  const what = alert.message || say(alert.kind);
  const made = button('shot', null, () => enlarge(image.src, what));
  made.setAttribute('aria-label', say('enlarge', what));
  const image = element('img');
  image.loading = 'lazy';
  image.decoding = 'async';
  image.alt = '';
  image.addEventListener('error', () => {
    made.parentElement?.classList.add('bare');
    made.remove();
    incident.failed = true;
  });
  image.src = incident.picture;
  made.append(image);
  return made;
}

export function enlarge(source, caption) {
  $('large-image').src = source;
  $('large-image').alt = say('picture', caption);
  $('large-caption').textContent = caption;
  $('large').showModal();
}

/** Who and what is at hand. */
export function help(alert) {
  const made = [];
  const points = list(alert.fire_points).slice(0, 3);
  if (points.length) {
    const names = points.map(
      (point) => `${point.name} (${say('metres', Math.round(point.distance_m))})`,
    );
    made.push(element('p', 'near', `${say('near')} ${names.join(' · ')}`));
  }
  if (alert.team?.name) {
    const line = element('p', 'near', say('team', alert.team.name));
    if (alert.team.phone) {
      const digits = String(alert.team.phone).replace(/[^\d+]/g, '');
      line.append(' ', link(`tel:${digits}`, '', alert.team.phone));
    }
    made.push(line);
  }
  for (const report of list(alert.reports).slice(-2)) {
    const text = [report.by, report.place, report.note].filter(Boolean).join(': ');
    if (text) made.push(element('p', 'quote', text));
  }
  return made;
}

/** What people did, in order; one who did several things at once did one. */
export function steps(alert) {
  const all = [
    ['by', alert.acknowledged],
    ['there', alert.on_scene],
    ['closed_by', alert.closed],
  ];
  const made = all.filter(([, step]) => step).map(([key, step]) => ({ key, ...step }));
  if (alert.on_scene_at && !alert.on_scene) made.push({ key: 'there', at: alert.on_scene_at });
  const later = (step, at) =>
    made.slice(at + 1).some((other) => other.by && other.by === step.by && other.at === step.at);
  return made.filter((step, at) => !later(step, at));
}
export function stepText({ key, at, by, note }) {
  const text = say(key, by ?? '', moment(at)).trim();
  return note ? `${text}: “${note}”` : text;
}

/** How long, and who did what when. */
export function facts(alert, going) {
  const made = element('ul', 'facts');
  const add = (text) => text && made.append(element('li', '', text));
  if (going) {
    const running = element('li', 'running', say('running', sinceText(alert.opened_at)));
    running.dataset.since = alert.opened_at ?? '';
    made.append(running);
  } else if (alert.closed_at) {
    add(say('ended', moment(alert.closed_at)));
    add(say('lasted', span((Date.parse(alert.closed_at) - Date.parse(alert.opened_at)) / 1_000)));
  }
  if (typeof alert.dwell_s === 'number') add(say('dwell', span(alert.dwell_s)));
  if (alert.escalated_at) add(say('called', moment(alert.escalated_at)));
  for (const step of steps(alert)) add(stepText(step));
  if (alert.held_back > 0) add(say('held', alert.held_back));
  if (alert.revision > 1) add(say('revision', alert.revision));
  return made;
}

/** Times that grow old are written anew where they are on the screen. */
export function age(within) {
  for (const when of within.querySelectorAll('.when[data-at]')) {
    const text = whenText(when.dataset.at);
    if (when.textContent !== text) when.textContent = text;
  }
  for (const running of within.querySelectorAll('.running[data-since]')) {
    const text = say('running', sinceText(running.dataset.since));
    if (running.textContent !== text) running.textContent = text;
  }
}
