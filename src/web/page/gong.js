// The gong: our own sound, until somebody takes what it strikes for; and the browser's word of it.

import { $, button, element, incidentLink, tell } from './dom.js';
import { pushPart } from './push.js';
import { emit, incidents, isLoud, known, on } from './state.js';
import { KINDS } from './terms.js';
import { language, say, storage } from './words.js';

const EVERY_MS = 4_000;
const HUSH_MS = 60_000;
const LOST_MS = 10_000; // So long without a signal is worth a sound.
const WANTED = 'keng.bell';
const LOUDNESS = 'keng.volume';

let audio = null;
let loudness;
let wanted = storage.get(WANTED) === 'on';
let volume = Math.min(1, Math.max(0.05, Number(storage.get(LOUDNESS)) || 0.8));
let strikes = 0;
let lastStrike = 0;
let warned = 0;
const hushed = new Map(); // id: until when

function speaker() {
  if (!audio) {
    audio = new AudioContext();
    loudness = audio.createGain();
    loudness.gain.value = volume;
    loudness.connect(audio.destination);
    audio.addEventListener('statechange', () => emit('bell'));
  }
  return audio;
}
const sounds = () => wanted && audio !== null && audio.state === 'running';

/** Inharmonic partials with a slow decay make a struck plate; the lowest one bends down a little. */
function stroke(at, hard = 1) {
  const partials = [
    [196, 0.5, 2.8],
    [311, 0.42, 2.2],
    [523, 0.24, 1.6],
    [742, 0.2, 1.1],
    [1187, 0.1, 0.7],
  ];
  for (const [hertz, loud, lasts] of partials) {
    const tone = audio.createOscillator();
    const gain = audio.createGain();
    tone.frequency.setValueAtTime(hertz * 1.015, at);
    tone.frequency.exponentialRampToValueAtTime(hertz, at + 0.12);
    gain.gain.setValueAtTime(0.0001, at);
    gain.gain.exponentialRampToValueAtTime(loud * hard * 0.6, at + 0.008);
    gain.gain.exponentialRampToValueAtTime(0.0005, at + lasts);
    tone.connect(gain).connect(loudness);
    tone.start(at);
    tone.stop(at + lasts);
  }
}
function strike(times, hard) {
  strikes += 1;
  $('bell').dataset.strikes = String(strikes);
  if (!sounds()) return;
  for (let time = 0; time < times; time += 1) stroke(audio.currentTime + time * 0.55, hard);
}
/** Two falling tones: not the gong, since nothing burns that we know of. */
function moan() {
  if (!sounds()) return;
  for (const [after, hertz] of [
    [0, 440],
    [0.45, 330],
  ]) {
    const tone = audio.createOscillator();
    const gain = audio.createGain();
    tone.frequency.value = hertz;
    gain.gain.setValueAtTime(0.25, audio.currentTime + after);
    gain.gain.exponentialRampToValueAtTime(0.001, audio.currentTime + after + 0.4);
    tone.connect(gain).connect(loudness);
    tone.start(audio.currentTime + after);
    tone.stop(audio.currentTime + after + 0.4);
  }
}

function loud() {
  const at = Date.now();
  const all = known.stale ? [] : [...incidents.values()].filter(({ alert }) => isLoud(alert));
  for (const [id, until] of hushed) if (until < at || !incidents.has(id)) hushed.delete(id);
  return { all, striking: all.filter(({ alert }) => !hushed.has(alert.id)) };
}

/** Strikes where it is time to, and shows for how many. */
function look() {
  const { all, striking } = loud();
  $('ringing').hidden = all.length === 0;
  tell($('ringing-text'), say(sounds() && striking.length ? 'ringing' : 'waiting', all.length));
  $('hush').hidden = striking.length === 0 || !sounds();
  if (striking.length && Date.now() - lastStrike >= EVERY_MS) {
    lastStrike = Date.now();
    strike(3, 1);
  }
  const lost = known.link === 'down' && known.lostAt;
  if (lost && warned !== known.lostAt && Date.now() - known.lostAt > LOST_MS) {
    warned = known.lostAt;
    moan();
  }
}

async function notify(alert, calls) {
  if (!calls || !('Notification' in window) || Notification.permission !== 'granted') return;
  const options = {
    body: alert.message,
    tag: alert.id,
    icon: '/icon-192.png',
    lang: language(),
    requireInteraction: isLoud(alert),
    data: { url: `/${incidentLink(alert)}`, revision: alert.revision },
  };
  const title = `${say(alert.kind)} · Kẻng`;
  try {
    const worker = await navigator.serviceWorker?.getRegistration();
    if (worker?.active) await worker.showNotification(title, options);
    else new Notification(title, options);
  } catch {
    /* Phones want a service worker, and there is none here. */
  }
}

async function enable() {
  wanted = true;
  storage.set(WANTED, 'on');
  speaker();
  await audio.resume().catch(() => {});
  stroke(audio.currentTime, 0.8);
  draw();
  look();
}
function disable() {
  wanted = false;
  storage.set(WANTED, 'off');
  draw();
}

function draw() {
  const running = sounds();
  $('bell').setAttribute('aria-pressed', String(running));
  tell($('bell-word'), say(running ? 'bell_on' : 'bell_off'));
  $('bell-bar').hidden = running;
  tell($('bell-bar-text'), say(wanted ? 'bell_blocked' : 'bell_ask'));
  tell($('bell-bar-go'), say(wanted ? 'bell_tap' : 'bell_enable'));
}

/** The dialog with test tone, volume and notifications. */
function settings() {
  const box = $('bell-box');
  const slider = element('input');
  Object.assign(slider, {
    type: 'range',
    min: '5',
    max: '100',
    id: 'volume',
    value: String(volume * 100),
  });
  slider.addEventListener('input', () => {
    volume = Number(slider.value) / 100;
    storage.set(LOUDNESS, String(volume));
    if (loudness) loudness.gain.value = volume;
  });
  const label = element('label', 'field', say('bell_volume'));
  label.append(slider);
  const line = element('div', 'line');
  line.append(
    button('button', say('bell_test'), () => (sounds() ? stroke(audio.currentTime) : enable())),
  );
  if (sounds())
    line.append(
      button('button', say('bell_disable'), () => {
        disable();
        box.close();
      }),
    );
  const about = element('p', '', say('bell_about'));
  $('bell-body').replaceChildren(about, label, line, permission(), pushPart());
  box.showModal();
}
function permission() {
  if (!('Notification' in window)) return element('span');
  const state = Notification.permission;
  if (state === 'granted') return element('p', 'soft', say('notify_on'));
  if (state === 'denied') return element('p', 'soft', say('notify_no'));
  return button('button', say('notify_ask'), async (event) => {
    const asked = event.currentTarget;
    await Notification.requestPermission();
    asked.nextElementSibling?.replaceWith(pushPart());
    asked.replaceWith(permission());
  });
}

export function startGong() {
  $('bell').addEventListener('click', () => (sounds() ? settings() : enable().then(settings)));
  $('bell-bar-go').addEventListener('click', enable);
  $('hush').addEventListener('click', () => {
    for (const { alert } of loud().all) hushed.set(alert.id, Date.now() + HUSH_MS);
    look();
  });
  // The first touch of any kind lets it sound, where it was wanted before.
  const touched = () => {
    if (wanted && !sounds()) {
      speaker();
      audio.resume().catch(() => {});
    }
  };
  for (const event of ['pointerdown', 'keydown'])
    window.addEventListener(event, touched, { passive: true });
  on('alert', (alert, calls) => {
    notify(alert, calls);
    if (calls && !isLoud(alert) && !KINDS.get(alert.kind)?.technical) strike(1, 0.5);
    if (calls && isLoud(alert)) {
      hushed.delete(alert.id);
      lastStrike = 0;
    }
    look();
  });
  for (const what of ['change', 'bell', 'words', 'link'])
    on(what, () => {
      draw();
      look();
    });
  setInterval(look, 500);
  if (wanted) speaker();
  draw();
}
