// The feed. Whatever comes from outside is shown as text, never as markup.
'use strict';

const LANG = document.documentElement.lang === 'en' ? 'en' : 'vi';
const ALIVE_MS = 25_000; // The server beats every 10 s.
const RETRY_MS = 3_000;
const STATUS_MS = 5_000;
const INCIDENTS_MAX = 400;
const PAST_MAX = 60;
const PICTURES_MAX = 4_000;

const WORDS = {
  vi: {
    fire: 'Cháy', smoke: 'Khói', loitering: 'Lảng vảng', camera: 'Camera', other: 'Tin báo',
    open: 'Chưa ai nhận', acknowledged: 'Đã tiếp nhận', on_scene: 'Đang ở hiện trường',
    resolved: 'Đã xử lý', false_alarm: 'Báo nhầm', expired: 'Đã lắng', exercise: 'Diễn tập', escalated: 'Chưa ai trả lời', siren: 'Còi đang hú',
    team: (who) => `Tổ trực: ${who}`, held: (n) => `gộp ${n} tin`,
    online: 'Trực tuyến', connecting: 'Đang kết nối', offline: 'Mất tín hiệu',
    frozen: 'Hình đứng', blinded: 'Bị che',
    live: 'Trực tiếp', joining: 'Đang kết nối', lost: 'Mất kết nối',
    down: 'MẤT KẾT NỐI', down_text: (t) => `từ ${t}. Cảnh báo mới KHÔNG hiện ở đây. Đang thử lại…`,
    fault: 'Cấu hình mới có lỗi, cấu hình cũ vẫn chạy:',
    khu_pho: 'Khu phố', all: 'Tất cả khu phố', bell_off: 'Bật chuông', bell_on: 'Chuông đang bật',
    open_title: 'Đang diễn ra', past_title: 'Đã kết thúc', quiet_title: 'Phường yên tĩnh',
    quiet_text: 'Không có sự việc nào đang diễn ra. Kẻng vẫn canh.', close: 'Đóng',
    began: (t) => `bắt đầu ${t}`, ended: (t) => `kết thúc ${t}`, lasted: (t) => `kéo dài ${t}`,
    dwell: (t) => `đã đứng ${t}`, revision: (n) => `bản ${n}`, by: (who) => `nhận bởi ${who}`,
    near: 'Gần nhất:', picture: (what) => `Ảnh: ${what}`, cameras: 'Camera', no_camera: 'Chưa có camera nào.',
    short: (p) => `Máy quá tải: xem ${p} % số hình`,
    broker_up: 'MQTT: đã nối', broker_down: 'MQTT: chưa nối', version: (v) => `Kẻng ${v}`,
    sec: 'giây', min: 'phút', hour: 'giờ', day: 'ngày', ago: (t) => `${t} trước`, now: 'vừa xong',
    since: (t) => `từ ${t}`, fps: (n) => `${n} hình/s`,
  },
  en: {
    fire: 'Fire', smoke: 'Smoke', loitering: 'Loitering', camera: 'Camera', other: 'Report',
    open: 'Nobody on it', acknowledged: 'Acknowledged', on_scene: 'On scene',
    resolved: 'Resolved', false_alarm: 'False alarm', expired: 'Died down', exercise: 'Exercise', escalated: 'Unanswered', siren: 'Siren sounds',
    team: (who) => `Team: ${who}`, held: (n) => `${n} held back`,
    online: 'Online', connecting: 'Connecting', offline: 'Offline',
    frozen: 'Frozen', blinded: 'Blinded',
    live: 'Live', joining: 'Connecting', lost: 'Disconnected',
    down: 'CONNECTION LOST', down_text: (t) => `since ${t}. New alerts do NOT show here. Retrying…`,
    fault: 'The new configuration has faults, the old one still holds:',
    khu_pho: 'Khu phố', all: 'Every khu phố', bell_off: 'Turn the bell on', bell_on: 'Bell is on',
    open_title: 'Going on', past_title: 'Over', quiet_title: 'All quiet',
    quiet_text: 'Nothing is going on. Kẻng keeps watching.', close: 'Close',
    began: (t) => `began ${t}`, ended: (t) => `ended ${t}`, lasted: (t) => `lasted ${t}`,
    dwell: (t) => `stayed ${t}`, revision: (n) => `revision ${n}`, by: (who) => `taken by ${who}`,
    near: 'Nearest:', picture: (what) => `Picture: ${what}`, cameras: 'Cameras', no_camera: 'No camera yet.',
    short: (p) => `Overloaded: ${p} % of frames are looked at`,
    broker_up: 'MQTT: connected', broker_down: 'MQTT: not connected', version: (v) => `Kẻng ${v}`,
    sec: 's', min: 'min', hour: 'h', day: 'd', ago: (t) => `${t} ago`, now: 'just now',
    since: (t) => `since ${t}`, fps: (n) => `${n} fps`,
  },
};
const SAY = WORDS[LANG];
const ONGOING = ['open', 'acknowledged', 'on_scene'];
const RANK = { fire: 0, smoke: 1, other: 2, loitering: 3, camera: 4 };

const $ = (id) => document.getElementById(id);
const word = (key) => (typeof SAY[key] === 'string' ? SAY[key] : String(key));

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined && text !== null) made.textContent = String(text);
  return made;
}

// Times in the ward's zone.

let zone;
function clockText(date, seconds = true) {
  const form = { hour: '2-digit', minute: '2-digit', hourCycle: 'h23', timeZone: zone };
  if (seconds) form.second = '2-digit';
  return new Intl.DateTimeFormat('en-GB', form).format(date);
}
function dayText(date) {
  const form = { day: '2-digit', month: '2-digit', timeZone: zone };
  return new Intl.DateTimeFormat('en-GB', form).format(date);
}
function moment(text) {
  const date = new Date(text);
  if (!text || Number.isNaN(date.getTime())) return '';
  const today = dayText(date) === dayText(new Date());
  return today ? clockText(date) : `${clockText(date, false)} ${dayText(date)}`;
}
function span(seconds) {
  if (seconds < 90) return `${Math.max(0, Math.round(seconds))} ${SAY.sec}`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} ${SAY.min}`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} ${SAY.hour}`;
  return `${Math.round(seconds / 86_400)} ${SAY.day}`;
}
function ago(text) {
  const seconds = (Date.now() - new Date(text).getTime()) / 1000;
  if (Number.isNaN(seconds)) return '';
  return seconds < 10 ? SAY.now : SAY.ago(span(seconds));
}

// What is known.

const incidents = new Map(); // id: { alert, picture, node, shown, arrived }
const khuPho = new Map(); // id: name
const pictures = new Map(); // sequence: address
let seen = 0;
let loaded = false; // Until then nobody knows whether the ward is quiet.
let chosen = '';

function take(alert, live) {
  if (!alert || typeof alert.id !== 'string') return;
  seen = Math.max(seen, Number(alert.sequence) || 0);
  const known = incidents.get(alert.id);
  const picture = pictures.has(Number(alert.sequence)) ? Number(alert.sequence) : 0;
  if (known) {
    known.picture = Math.max(known.picture, picture);
    if (alert.revision > known.alert.revision) {
      const called = alert.escalated_at && !known.alert.escalated_at;
      if (live && called && ONGOING.includes(alert.state)) ring(alert);
      known.alert = alert;
    }
  } else {
    incidents.set(alert.id, { alert, picture, node: null, shown: '', arrived: live });
    if (live && ONGOING.includes(alert.state)) ring(alert);
    forget();
  }
  if (live) schedule();
}

// Keeps memory flat over weeks: the oldest incidents that are over go first.
function forget() {
  if (incidents.size <= INCIDENTS_MAX) return;
  const order = [...incidents.values()].sort((a, b) =>
    ONGOING.includes(a.alert.state) - ONGOING.includes(b.alert.state)
    || a.alert.sequence - b.alert.sequence);
  for (const { alert } of order.slice(0, incidents.size - INCIDENTS_MAX)) incidents.delete(alert.id);
}

// Cards.

function card(incident) {
  const { alert, picture } = incident;
  const going = ONGOING.includes(alert.state);
  const kind = word(alert.kind);
  const node = element('article', 'card');
  node.dataset.kind = alert.kind;
  if (going && alert.severity === 'critical') node.classList.add('hot');
  if (!going) node.classList.add('past');
  if (incident.arrived) node.classList.add('fresh');
  if (picture) node.append(shot(picture, incident)); else node.classList.add('bare');

  const body = element('div', 'body');
  const line = element('div', 'line');
  const chip = element('span', 'chip', word(alert.state));
  chip.dataset.state = alert.state;
  line.append(element('h3', 'kind', kind), chip);
  if (alert.exercise) line.append(element('span', 'chip exercise', SAY.exercise));
  if (alert.state === 'open' && alert.escalated_at) line.append(element('span', 'chip alarm', SAY.escalated));
  if (alert.siren && alert.siren.state === 'on') line.append(element('span', 'chip alarm', SAY.siren));
  const when = element('time', 'when');
  when.dateTime = alert.updated_at || '';
  when.dataset.at = alert.updated_at || '';
  when.textContent = `${moment(alert.updated_at)} · ${ago(alert.updated_at)}`;
  line.append(when);
  body.append(line, element('p', 'message', alert.message));

  const where = element('p', 'where');
  where.append(element('b', '', khuPho.get(alert.khu_pho) || alert.khu_pho));
  const cameras = Array.isArray(alert.cameras) ? alert.cameras : [];
  const places = [...new Set(cameras.map((camera) => camera.address).filter(Boolean))];
  if (places.length) where.append(` · ${places.join(' · ')}`);
  body.append(where);
  if (cameras.length) body.append(seenBy(cameras));
  if (going) body.append(...help(alert));
  body.append(facts(alert, going));
  node.append(body);
  return node;
}

function shot(sequence, incident) {
  const { alert } = incident;
  const button = element('button', 'shot');
  button.type = 'button';
  const image = element('img');
  image.loading = 'lazy';
  image.alt = SAY.picture(alert.message || word(alert.kind));
  image.addEventListener('error', () => {
    button.parentElement?.classList.add('bare');
    button.remove();
    incident.failed = true;
  });
  image.src = pictures.get(sequence) || '';
  button.append(image);
  button.addEventListener('click', () => {
    $('large-image').src = image.src;
    $('large-image').alt = image.alt;
    $('large-caption').textContent = alert.message || '';
    $('large').showModal();
  });
  return button;
}

// Pictures that could not be had while the daemon was away.
function retryPictures() {
  for (const incident of incidents.values()) {
    if (incident.failed) { incident.failed = false; incident.shown = ''; }
  }
}

function seenBy(cameras) {
  const list = element('ul', 'seen');
  for (const camera of cameras) {
    const parts = [camera.id];
    if (camera.zone) parts.push(camera.zone);
    if (typeof camera.confidence === 'number') parts.push(`${Math.round(camera.confidence * 100)} %`);
    list.append(element('li', '', parts.join(' · ')));
  }
  return list;
}

function help(alert) {
  const made = [];
  const points = Array.isArray(alert.fire_points) ? alert.fire_points.slice(0, 3) : [];
  if (points.length) {
    const names = points.map((point) => `${point.name} (${Math.round(point.distance_m)} m)`);
    made.push(element('p', 'near', `${SAY.near} ${names.join(' · ')}`));
  }
  if (alert.team && alert.team.name) {
    const who = [alert.team.name, alert.team.phone].filter(Boolean).join(', ');
    made.push(element('p', 'near', SAY.team(who)));
  }
  const reports = Array.isArray(alert.reports) ? alert.reports.slice(-2) : [];
  for (const report of reports) {
    const text = [report.by, report.place, report.note].filter(Boolean).join(': ');
    made.push(element('p', 'quote', text));
  }
  return made;
}

function facts(alert, going) {
  const list = element('ul', 'facts');
  const add = (text) => text && list.append(element('li', '', text));
  add(SAY.began(moment(alert.opened_at)));
  if (!going && alert.closed_at) {
    add(SAY.ended(moment(alert.closed_at)));
    add(SAY.lasted(span((new Date(alert.closed_at) - new Date(alert.opened_at)) / 1000)));
  }
  if (typeof alert.dwell_s === 'number') add(SAY.dwell(span(alert.dwell_s)));
  if (alert.acknowledged && alert.acknowledged.by) add(SAY.by(alert.acknowledged.by));
  if (alert.held_back > 0) add(SAY.held(alert.held_back));
  add(SAY.revision(alert.revision));
  return list;
}

let scheduled = false;
function schedule() {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(() => { scheduled = false; draw(); });
}

function draw() {
  const all = [...incidents.values()].filter(({ alert }) => !chosen || alert.khu_pho === chosen);
  const going = all.filter(({ alert }) => ONGOING.includes(alert.state));
  const over = all.filter(({ alert }) => !ONGOING.includes(alert.state));
  const newest = (a, b) => b.alert.sequence - a.alert.sequence;
  const urgent = (a) => (a.alert.severity === 'critical' ? 0 : 10) + (RANK[a.alert.kind] ?? 5);
  going.sort((a, b) => urgent(a) - urgent(b) || newest(a, b));
  over.sort(newest);
  fill($('open'), going);
  fill($('past'), over.slice(0, PAST_MAX));
  $('open-count').textContent = going.length;
  $('past-count').textContent = over.length;
  $('quiet').hidden = going.length > 0 || !loaded || lostAt > 0;
  $('past-heading').hidden = over.length === 0;
  title(going);
}

function fill(box, list) {
  const nodes = list.map((incident) => {
    const { alert, picture } = incident;
    const version = `${alert.revision}/${picture}/${khuPho.get(alert.khu_pho) || ''}/${zone}`;
    if (incident.shown !== version) {
      incident.node = card(incident);
      incident.shown = version;
      incident.arrived = true;
    }
    return incident.node;
  });
  const same = nodes.length === box.children.length
    && nodes.every((node, index) => node === box.children[index]);
  if (!same) box.replaceChildren(...nodes);
}

function title(going) {
  const first = going[0];
  const lost = document.body.classList.contains('is-down') ? `${SAY.down} · ` : '';
  const count = first ? `(${going.length}) ${word(first.alert.kind).toUpperCase()} · ` : '';
  document.title = `${lost}${count}Kẻng`;
}

// The connection.

let source;
let heard = 0;
let lostAt = 0;

function connection(state) {
  const down = state === 'down';
  if (down && !lostAt) lostAt = Date.now();
  if (!down) lostAt = 0;
  $('link').dataset.state = state;
  $('link-text').textContent = { up: SAY.live, wait: SAY.joining, down: SAY.lost }[state];
  $('down').hidden = !down;
  document.body.classList.toggle('is-down', down);
  if (down) {
    $('down-title').textContent = SAY.down;
    $('down-text').textContent = SAY.down_text(clockText(new Date(lostAt)));
  }
  schedule();
}

function follow() {
  if (source) source.close();
  source = new EventSource(`/events?after=${seen}`);
  const alive = () => {
    heard = Date.now();
    if (lostAt) { refresh(); retryPictures(); }
    connection('up');
  };
  source.addEventListener('hello', (event) => {
    if (JSON.parse(event.data).last < seen) location.reload(); // The store was emptied.
    alive();
  });
  source.addEventListener('beat', alive);
  source.addEventListener('picture', (event) => {
    const { sequence, url } = JSON.parse(event.data);
    pictures.set(sequence, url);
    if (pictures.size > PICTURES_MAX) pictures.delete(pictures.keys().next().value);
  });
  source.addEventListener('alert', (event) => { alive(); take(JSON.parse(event.data), true); });
  source.addEventListener('error', () => connection('down'));
  heard = Date.now();
}

async function start() {
  try {
    const answer = await fetch('/api/alerts?limit=200', { signal: AbortSignal.timeout(10_000) });
    if (!answer.ok) throw new Error(answer.status);
    const list = await answer.json();
    for (const [sequence, url] of Object.entries(list.pictures)) pictures.set(Number(sequence), url);
    for (const alert of list.alerts) take(alert, false);
    seen = Math.max(seen, list.last);
    loaded = true;
    follow();
  } catch {
    connection('down');
    setTimeout(start, RETRY_MS);
  }
}

// Cameras and the rest.

async function refresh() {
  try {
    const answer = await fetch('/api/status', { signal: AbortSignal.timeout(STATUS_MS) });
    if (!answer.ok) return;
    show(await answer.json());
  } catch { /* The feed's own state says that the daemon is away. */ }
}

function show(status) {
  zone = status.ward.timezone || undefined;
  tick();
  $('ward').textContent = status.ward.name;
  khuPho.clear();
  for (const { id, name } of status.khu_pho) khuPho.set(id, name);
  options();
  const shown = status.cameras.filter((camera) => !chosen || camera.khu_pho === chosen
    || camera.khu_pho === undefined);
  const bad = (camera) => (camera.state === 'online' ? 1 : 0);
  shown.sort((a, b) => bad(a) - bad(b));
  const online = shown.filter((camera) => camera.state === 'online').length;
  $('camera-count').textContent = `${online}/${shown.length}`;
  const rows = shown.map(row);
  $('cameras').replaceChildren(...(rows.length ? rows : [element('li', 'none', SAY.no_camera)]));
  const broker = status.broker_up ? SAY.broker_up : SAY.broker_down;
  const short = status.degraded ? SAY.short(Math.round(status.granted * 100)) : '';
  $('system').textContent = [short, broker, SAY.version(status.version)].filter(Boolean).join(' · ');
  $('fault').hidden = !status.reload_error;
  $('fault-title').textContent = SAY.fault;
  $('fault-text').textContent = status.reload_error || '';
  schedule();
}

function row(camera) {
  const item = element('li');
  item.dataset.state = camera.state;
  const text = element('div');
  text.append(element('p', 'name', camera.id));
  const since = camera.since ? SAY.since(moment(camera.since)) : '';
  const sub = [word(camera.state), since, camera.address].filter(Boolean).join(' · ');
  text.append(element('p', 'sub', sub));
  item.append(element('span', 'dot'), text);
  const fps = camera.analysed_fps ?? camera.fps;
  if (camera.state === 'online' && typeof fps === 'number') {
    item.append(element('span', 'fps', SAY.fps(fps.toFixed(1))));
  }
  return item;
}

function options() {
  const select = $('khu-pho');
  const wanted = ['', ...khuPho.keys()].join('|');
  $('pick').hidden = khuPho.size < 2;
  if (select.dataset.wanted === wanted) return;
  select.dataset.wanted = wanted;
  const all = element('option', '', SAY.all);
  all.value = '';
  const rest = [...khuPho].map(([id, name]) => {
    const option = element('option', '', name);
    option.value = id;
    return option;
  });
  select.replaceChildren(all, ...rest);
  if (!khuPho.has(chosen)) chosen = '';
  select.value = chosen;
}

// The bell: a gong of three partials, only where somebody has turned it on.

let audio;
function ring(alert) {
  if (!audio || (alert.kind !== 'fire' && alert.kind !== 'smoke' && alert.severity !== 'critical')) return;
  for (let stroke = 0; stroke < 3; stroke += 1) gong(audio.currentTime + stroke * 0.7);
}
function gong(at) {
  for (const [hertz, loud] of [[311, 0.4], [742, 0.22], [1187, 0.12]]) {
    const tone = audio.createOscillator();
    const gain = audio.createGain();
    tone.frequency.value = hertz;
    gain.gain.setValueAtTime(loud, at);
    gain.gain.exponentialRampToValueAtTime(0.001, at + 1.6);
    tone.connect(gain).connect(audio.destination);
    tone.start(at);
    tone.stop(at + 1.6);
  }
}
$('bell').addEventListener('click', () => {
  const on = !audio;
  if (on) { audio = new AudioContext(); gong(audio.currentTime); } else { audio.close(); audio = null; }
  $('bell').setAttribute('aria-pressed', String(on));
  $('bell').textContent = on ? SAY.bell_on : SAY.bell_off;
});

$('khu-pho').addEventListener('change', (event) => {
  chosen = event.target.value;
  location.hash = chosen;
  schedule();
  refresh();
});

function tick() { if (zone) $('clock').textContent = clockText(new Date()); }
setInterval(tick, 1_000);
setInterval(refresh, STATUS_MS);
setInterval(() => {
  for (const when of document.querySelectorAll('.when')) {
    when.textContent = `${moment(when.dataset.at)} · ${ago(when.dataset.at)}`;
  }
}, 15_000);
setInterval(() => {
  if (!source) return;
  const silent = Date.now() - heard > ALIVE_MS;
  if (silent) connection('down');
  if (silent || source.readyState === EventSource.CLOSED) follow();
}, RETRY_MS);

for (const node of document.querySelectorAll('[data-say]')) node.textContent = word(node.dataset.say);
chosen = decodeURIComponent(location.hash.slice(1));
connection('wait');
refresh().then(start);
