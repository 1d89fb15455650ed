// What happened at an incident, in words.

import { steps, stepText } from './card.js';
import { element, moment } from './dom.js';
import { say } from './words.js';

const list = (value) => (Array.isArray(value) ? value : []);

/** What is new in a revision, in words; `before`: the one before it. */
function news(revision, before) {
  const told = [];
  const cameras = (one) => new Map(list(one?.cameras).map((camera) => [camera.id, camera]));
  if (!before) told.push([say('tl_opened'), revision.message]);
  else {
    const [seen, saw] = [cameras(revision), cameras(before)];
    for (const [id, camera] of seen)
      if (!saw.has(id)) told.push([say('tl_more', id), camera.address]);
    for (const id of saw.keys()) if (!seen.has(id)) told.push([say('tl_ended', id), '']);
  }
  if (revision.escalated_at && !before?.escalated_at) told.push([say('tl_called'), '']);
  if (revision.siren && revision.siren.state !== before?.siren?.state) {
    told.push([
      say(revision.siren.state === 'on' ? 'tl_siren_on' : 'tl_siren_off'),
      revision.siren.by ?? '',
    ]);
  }
  const heard = list(before?.reports).map((report) => report.at + report.note);
  for (const report of list(revision.reports)) {
    if (heard.includes(report.at + report.note)) continue;
    told.push([
      say('tl_report', report.by || say('somebody')),
      [report.place, report.note].filter(Boolean).join(': '),
    ]);
  }
  if (before && revision.state !== before.state) {
    const done = steps(before).map(stepText);
    const who = steps(revision)
      .map(stepText)
      .filter((text) => !done.includes(text));
    told.push([say('tl_state', say(revision.state)), who.join(' · ')]);
  }
  if (revision.merged_into) told.push([say('merged', revision.merged_into), '']);
  if (!told.length) told.push([say('tl_on'), revision.message]);
  return told;
}

/** The revisions of an incident, the oldest first, as a list of what each of them tells. */
export function timeline(revisions) {
  const made = element('ol', 'timeline');
  let calm = null; // An entry that only says that it goes on, and how many revisions it stands for.
  revisions.forEach((revision, index) => {
    const told = news(revision, revisions[index - 1]);
    if (told.length === 1 && told[0][0] === say('tl_on')) {
      if (calm) {
        calm.count += 1;
        calm.node.querySelector('.what').textContent =
          `${say('tl_on')} · ${say('tl_times', calm.count, moment(revision.updated_at))}`;
        calm.node.querySelector('.more').textContent = revision.message;
        return;
      }
    } else calm = null;
    const item = element('li');
    item.dataset.state = revision.state;
    const when = element('time', '', moment(revision.updated_at));
    when.dateTime = revision.updated_at ?? '';
    const body = element('div');
    for (const [what, more] of told) {
      body.append(element('p', 'what', what));
      if (more) body.append(element('p', 'more', more));
    }
    item.append(when, body);
    made.append(item);
    if (told.length === 1 && told[0][0] === say('tl_on')) calm = { node: item, count: 1 };
  });
  return made;
}
