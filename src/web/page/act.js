// What people answer: one tap to take it or to be there, a question before what can't be undone.

import { $, button, element, getJson, signIn } from './dom.js';
import { emit, isGoing, isOurs, khuPhoName, known, take } from './state.js';
import { say } from './words.js';

const FINAL = ['resolve', 'false_alarm'];

/** Why nothing can be answered just now; empty where it can. */
export function whyNot() {
  if (known.link !== 'up' || known.stale) return say('act_down');
  if (!known.me) return say('act_none');
  return '';
}

/** Sends something; answers the newest alert where one comes of it. */
export async function post(path, body) {
  const answer = await fetch(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'X-Keng-CSRF': known.me?.csrf ?? '' },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(10_000),
  });
  if (answer.status === 401) await signIn();
  if (answer.status === 204) return null;
  const told = await answer.json().catch(() => ({}));
  if (answer.ok) return told.alert;
  if (answer.status === 403) {
    // The token may be of an earlier session: the next try has the new one.
    known.me = await getJson('/api/me').catch(() => known.me);
  }
  const refused = answer.status === 403 ? say('act_refused') : String(answer.status);
  throw new Error(told.reason ? String(told.reason).slice(0, 200) : refused);
}

/** Ends the session. */
export async function signOut() {
  await post('/sign-out', {}).catch(() => {});
  await signIn();
}

/** Raises a camera's attention while its page is open. */
export async function askToLook(id) {
  if (!known.me) return;
  await post(`/api/cameras/${encodeURIComponent(id)}/look`, {}).catch(() => {});
}

/** Says something to the core, and shows what came of it. */
export async function actAt(path, body) {
  const newest = await post(path, body);
  if (!newest) return;
  take(newest, true);
  emit('change');
}

async function command(alert, action, note) {
  const kp = encodeURIComponent(alert.khu_pho);
  const id = encodeURIComponent(alert.id);
  const body = note ? { action, note } : { action };
  await actAt(`/api/khu-pho/${kp}/incidents/${id}/command`, body);
}

/** The answers that an incident's state allows; none once it is over. */
function choices(alert) {
  if (!isGoing(alert)) return [];
  const list = [];
  if (alert.state === 'open') list.push(['acknowledge', 'acknowledge', 'primary']);
  if (alert.state !== 'on_scene') list.push(['on_scene', 'go', '']);
  list.push(['resolve', 'resolve', ''], ['false_alarm', 'false', '']);
  if (alert.siren?.state === 'on') list.push(['siren_off', 'siren_off', 'danger']);
  return list;
}

/** Buttons for an incident's answers; `current()` is its newest alert when one is pressed. */
export function actions(current) {
  const box = element('div', 'actions');
  const alert = current();
  if (!isOurs(alert)) {
    return isGoing(alert) ? element('p', 'soft', say('not_ours', khuPhoName(alert.khu_pho))) : null;
  }
  const told = element('p', 'told');
  told.setAttribute('role', 'status');
  for (const [action, key, look] of choices(alert)) {
    const made = button(`button ${look}`.trim(), say(key), async () => {
      const why = whyNot();
      if (why) {
        told.textContent = why;
        return;
      }
      const note = FINAL.includes(action) ? await question(current(), action) : '';
      if (note === null) return;
      await send(box, told, () => command(current(), action, note));
    });
    made.dataset.action = action;
    box.append(made);
  }
  if (!box.children.length) return null;
  box.append(told);
  enable(box);
  return box;
}

/** Shows whether anything can be answered just now. */
export function enable(box) {
  const why = whyNot();
  if (box.dataset.busy) return;
  for (const made of box.querySelectorAll('button')) {
    made.disabled = Boolean(why);
    made.title = why;
  }
  const told = box.querySelector('.told');
  if (why && !known.me && known.link === 'up') told.textContent = why;
  else if (told.dataset.kind !== 'failed') told.textContent = '';
}

async function send(box, told, work) {
  box.dataset.busy = 'yes';
  for (const made of box.querySelectorAll('button')) made.disabled = true;
  delete told.dataset.kind;
  told.textContent = say('acting');
  try {
    await work();
    told.textContent = '';
  } catch (error) {
    const why = error.name === 'TimeoutError' ? '10 s' : error.message;
    told.dataset.kind = 'failed';
    told.textContent = `${say('act_failed', why)} ${say('act_again')}`;
  }
  delete box.dataset.busy;
  enable(box);
}

/** Asks before what can't be undone: the note, or null where somebody thinks better of it. */
function question(alert, action) {
  const box = $('ask');
  $('ask-title').textContent = say(action === 'resolve' ? 'confirm_resolve' : 'confirm_false');
  $('ask-what').textContent = alert.message ?? '';
  $('ask-note').value = '';
  box.returnValue = '';
  box.showModal();
  return new Promise((answer) => {
    box.addEventListener(
      'close',
      () => {
        answer(box.returnValue === 'yes' ? $('ask-note').value.trim().slice(0, 500) : null);
      },
      { once: true },
    );
  });
}
