// Notifications while the page is closed, where the admin has turned that on: this browser's own
// push service passes on what only this browser can read.

import { post } from './act.js';
import { button, element, getJson } from './dom.js';
import { known, on } from './state.js';
import { say, storage } from './words.js';

const WANTED = 'keng.push';

let key = null;

/** The daemon's key as browsers take it. */
function bytes(text) {
  const plain = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  return Uint8Array.from(plain, (letter) => letter.charCodeAt(0));
}
function isOurs(subscription) {
  const made = new Uint8Array(subscription.options?.applicationServerKey ?? []);
  const ours = bytes(key);
  return made.length === ours.length && made.every((byte, at) => byte === ours[at]);
}
async function kept() {
  const worker = await navigator.serviceWorker?.getRegistration();
  return worker?.pushManager?.getSubscription() ?? null;
}

/** Subscribes, or offers again what the daemon may have forgotten. */
async function subscribe() {
  const worker = await navigator.serviceWorker.ready;
  const old = await worker.pushManager.getSubscription();
  if (old && !isOurs(old)) await old.unsubscribe();
  const options = { userVisibleOnly: true, applicationServerKey: bytes(key) };
  const made = await worker.pushManager.subscribe(options);
  await post('/api/push/subscribe', made.toJSON());
  storage.set(WANTED, 'on');
}

/** Ends it, here and at the daemon: also before somebody signs out. */
export async function stopPush() {
  storage.set(WANTED, 'off');
  const old = await kept().catch(() => null);
  if (!old) return;
  await post('/api/push/unsubscribe', { endpoint: old.endpoint }).catch(() => {});
  await old.unsubscribe().catch(() => {});
}

/** What the bell's box says of it; nothing where there is none to be had. */
export function pushPart() {
  const box = element('div', 'stack');
  if (!key || !('PushManager' in window) || Notification.permission !== 'granted') return box;
  const told = element('p', 'soft');
  told.setAttribute('role', 'status');
  const draw = (wanted, why) => {
    told.textContent = why ?? say(wanted ? 'push_on' : 'push_off');
    const made = button('button', say(wanted ? 'push_stop' : 'push_start'), async () => {
      made.disabled = true;
      try {
        await (wanted ? stopPush() : subscribe());
        draw(!wanted);
      } catch (error) {
        draw(wanted, say('push_failed', error.message));
      }
    });
    made.dataset.push = wanted ? 'stop' : 'start';
    box.replaceChildren(told, made);
  };
  kept().then((old) => draw(Boolean(old)), () => draw(false));
  return box;
}

async function offer() {
  if (!known.me?.login) {
    key = null;
    return;
  }
  key = (await getJson('/api/push').catch(() => ({}))).key ?? null;
  const wanted = storage.get(WANTED) === 'on' && 'PushManager' in window;
  if (key && wanted && Notification.permission === 'granted') await subscribe().catch(() => {});
}

export function startPush() {
  on('me', offer);
}
