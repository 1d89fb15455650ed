// The service worker: the page's own files for when the daemon is away, and nothing else. What
// the ward's cameras saw is never kept here.

const VERSION = '{version}';
const FILES = ['{files}'];
const CACHE = `keng-page-${VERSION}`;

self.addEventListener('install', (event) => {
  event.waitUntil((async () => {
    const cache = await caches.open(CACHE);
    await cache.addAll(FILES);
    await fetch('/').then((page) => keep(cache, page)).catch(() => {});
    await self.skipWaiting();
  })());
});
self.addEventListener('activate', (event) => {
  event.waitUntil((async () => {
    const keys = await caches.keys();
    const old = keys.filter((key) => key.startsWith('keng-page-') && key !== CACHE);
    await Promise.all(old.map((key) => caches.delete(key)));
    await self.clients.claim();
  })());
});
self.addEventListener('fetch', (event) => {
  const url = new URL(event.request.url);
  const ours = event.request.method === 'GET' && url.origin === self.location.origin
    && (FILES.includes(url.pathname) || url.pathname === '/');
  // Whoever signs in next may be somebody else.
  if (url.pathname === '/sign-in') event.waitUntil(caches.delete('keng-last'));
  if (ours) event.respondWith(answer(event.request, url.pathname));
});
/** The page itself is there only for who is signed in: another answer is not kept. */
async function keep(cache, page) {
  if (page.ok && !page.redirected) await cache.put('/', page);
}
/** The daemon's own answer where there is one, so that an update shows at once. */
async function answer(request, path) {
  try {
    const fresh = await fetch(request);
    if (path === '/') await keep(await caches.open(CACHE), fresh.clone());
    return fresh;
  } catch (error) {
    const kept = await caches.match(path, { cacheName: CACHE });
    if (kept) return kept;
    throw error;
  }
}
/** What the daemon tells while no page is open. Every message must be shown: browsers ask for that. */
async function tell(data) {
  let told = {};
  try {
    told = data.json();
  } catch {
    /* Then there is at least something to open. */
  }
  const place = (part) => encodeURIComponent(String(part));
  const known = told.id && told.khu_pho;
  const url = known ? `/#/incident/${place(told.khu_pho)}/${place(told.id)}` : '/';
  const shown = known ? await self.registration.getNotifications({ tag: told.id }) : [];
  // Push services may pass an older word on after a newer one.
  if (shown.some((one) => one.data?.revision > told.revision)) return;
  await self.registration.showNotification(String(told.title ?? 'Kẻng'), {
    body: String(told.body ?? ''),
    lang: told.lang,
    tag: known ? told.id : 'keng',
    renotify: told.urgent === true,
    requireInteraction: told.urgent === true,
    timestamp: Date.parse(told.at) || Date.now(),
    icon: '/icon-192.png',
    badge: '/icon-192.png',
    data: { url, revision: told.revision },
  });
}
// One after the other: each looks at what the one before has shown.
let telling = Promise.resolve();
self.addEventListener('push', (event) => {
  telling = telling.then(() => tell(event.data)).catch(() => {});
  event.waitUntil(telling);
});
/** The daemon's key as browsers take it. */
function bytes(text) {
  const plain = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  return Uint8Array.from(plain, (letter) => letter.charCodeAt(0));
}
async function post(path, csrf, body) {
  const headers = { 'content-type': 'application/json', 'X-Keng-CSRF': csrf };
  const answer = await fetch(path, { method: 'POST', headers, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
}
/** The browser's push service has ended a subscription, or has put another one in its place: the
 *  daemon is told of the new one before it forgets the old. Where nobody is signed in any more,
 *  or push is off, nothing is to be told. */
async function renew(old, made) {
  const asked = await Promise.all([fetch('/api/me'), fetch('/api/push')]);
  if (asked.some((answer) => !answer.ok || answer.redirected)) return;
  const [me, push] = await Promise.all(asked.map((answer) => answer.json()));
  if (!me.login || !push.key) return;
  const options = { userVisibleOnly: true, applicationServerKey: bytes(push.key) };
  const now = made ?? (await self.registration.pushManager.subscribe(options));
  await post('/api/push/subscribe', me.csrf, now.toJSON());
  if (old && old.endpoint !== now.endpoint) {
    await post('/api/push/unsubscribe', me.csrf, { endpoint: old.endpoint });
  }
}
self.addEventListener('pushsubscriptionchange', (event) => {
  // What fails is made good when the page is opened next: it offers its subscription again.
  event.waitUntil(renew(event.oldSubscription, event.newSubscription).catch(() => {}));
});
self.addEventListener('notificationclick', (event) => {
  event.notification.close();
  const wanted = new URL(event.notification.data?.url ?? '/', self.location.origin);
  if (wanted.origin !== self.location.origin) return;
  event.waitUntil((async () => {
    const open = await self.clients.matchAll({ type: 'window' });
    if (!open.length) { await self.clients.openWindow(wanted.href); return; }
    await open[0].focus();
    await open[0].navigate(wanted.href);
  })());
});
