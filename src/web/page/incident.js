// One incident: what happened, seen by whom, answered by whom, how sure and how fast.

import { actions } from './act.js';
import { enlarge, facts, head, help, steps, stepText } from './card.js';
import {
  button,
  cameraLink,
  clockText,
  drawCalmly,
  element,
  getJson,
  link,
  moment,
  rows,
  span,
} from './dom.js';
import { areComing, moments } from './moments.js';
import { plan } from './plan.js';
import { lines, parts } from './plot.js';
import { incidents, isGoing, khuPhoName, on, pictureOf, tellPicture } from './state.js';
import { KINDS } from './terms.js';
import { timeline } from './timeline.js';
import { say } from './words.js';

const STAGES = ['decode', 'queue', 'inference', 'core', 'store'];
// Pictures of after an alert come by themselves, some seconds later.
const AGAIN_MS = 3_000;
const list = (value) => (Array.isArray(value) ? value : []);
const percent = (value) => `${Math.round(value * 100)} %`;

/** Shows an incident in `main` and keeps it new; answers how to stop. */
export function incidentPage(main, khuPho, id) {
  const box = element('div', 'single');
  box.append(element('p', 'none', say('loading')));
  main.replaceChildren(box);
  const path = `/api/khu-pho/${encodeURIComponent(khuPho)}/incidents/${encodeURIComponent(id)}`;
  let open = true;
  let known = null;
  let cameras = [];
  let chosen = 0; // 0: the newest picture.
  const drawNow = () => {
    if (open && known) show(box, { path, known, cameras, chosen, choose });
  };
  const draw = () => drawCalmly(drawNow);
  const choose = (sequence) => {
    chosen = sequence;
    drawNow();
  };
  let again = 0;
  const loadSoon = () => {
    clearTimeout(again);
    if (open && areComing(known?.moments, known?.revisions.at(-1)))
      again = setTimeout(load, AGAIN_MS);
  };
  const load = async () => {
    try {
      const [answer, views] = await Promise.all([
        getJson(path),
        getJson('/api/cameras').catch(() => ({ cameras: [] })),
      ]);
      for (const [sequence, url] of Object.entries(answer.pictures ?? {}))
        tellPicture(sequence, url);
      // What the feed brought while this was on its way stays.
      const last = answer.revisions.at(-1)?.revision ?? 0;
      const newest = incidents.get(id)?.alert;
      const had = known?.revisions ?? (newest ? [newest] : []);
      answer.revisions.push(...had.filter((revision) => revision.revision > last));
      known = answer;
      cameras = views.cameras;
      draw();
      loadSoon();
    } catch (error) {
      if (!open || known) return;
      const text = error.status === 404 ? say('not_found') : say('failed', error.message);
      box.replaceChildren(back(), element('p', 'none', text));
    }
  };
  const stops = [
    on('alert', (alert) => {
      if (!known || alert.id !== id || alert.khu_pho !== khuPho) return;
      const last = known.revisions.at(-1);
      if (last && alert.revision <= last.revision) return;
      known.revisions.push(alert);
      draw();
      loadSoon();
    }),
    on('link', (state) => {
      if (state === 'up') load();
    }),
    on('me', draw),
  ];
  load();
  return () => {
    open = false;
    clearTimeout(again);
    stops.forEach((stop) => stop());
  };
}

const back = () => link('#/', 'back', `← ${say('back')}`);

function part(title, ...content) {
  const made = element('section', 'part');
  made.append(element('h2', '', title), ...content.filter(Boolean));
  return made;
}

function show(box, view) {
  const { revisions, complete } = view.known;
  const alert = revisions.at(-1);
  if (!alert) {
    box.replaceChildren(back(), element('p', 'none', say('not_found')));
    return;
  }
  const title = element('header', 'title');
  title.dataset.kind = alert.kind;
  title.append(
    head(alert, 'p'),
    element('h1', '', alert.message || say(alert.kind)),
    placeOf(alert),
  );
  if (isGoing(alert)) title.append(...help(alert));
  title.append(facts(alert, isGoing(alert)));
  const answers = actions(() => alert);
  if (answers) title.append(answers);

  const left = element('div', 'stack');
  const strips = moments(view.known.moments, alert);
  const unknown = complete ? null : element('p', 'soft', say('incomplete'));
  const happened = part(say('timeline'), unknown, timeline(revisions));
  left.append(gallery(view, alert), ...(strips ? [strips] : []), happened);
  const right = element('div', 'stack');
  right.append(
    verdict(alert),
    around(view, alert),
    course(view, revisions, alert),
    speed(revisions),
    model(view, alert),
    downloads(view, alert),
  );
  const columns = element('div', 'columns');
  columns.append(left, right);
  const focused = document.activeElement?.dataset?.picture;
  box.replaceChildren(back(), title, columns);
  if (focused) box.querySelector(`[data-picture="${CSS.escape(focused)}"]`)?.focus();
}

function placeOf(alert) {
  const places = [
    ...new Set(
      list(alert.cameras)
        .map((camera) => camera.address)
        .filter(Boolean),
    ),
  ];
  const text = [khuPhoName(alert.khu_pho), ...places];
  return element('p', 'where', [...new Set(text)].join(' · '));
}

// Pictures.

/** The newest picture large, all of them in a strip; arrows go through it. */
function gallery({ known, chosen, choose }, alert) {
  const shown = known.revisions.filter((revision) => pictureOf(revision));
  if (!shown.length) return part(say('pictures'), element('p', 'soft', say('no_picture')));
  const now = shown.find((revision) => revision.sequence === chosen) ?? shown.at(-1);
  const caption = (revision) =>
    `${moment(revision.updated_at)} · ${say('revision', revision.revision)} · ` +
    list(revision.cameras)
      .map((camera) => camera.id)
      .join(', ');
  const large = button('picture', null, () =>
    enlarge(pictureOf(now), `${alert.message} · ${caption(now)}`),
  );
  large.dataset.picture = 'large';
  large.setAttribute('aria-label', say('enlarge', caption(now)));
  const image = element('img');
  image.alt = '';
  image.src = pictureOf(now);
  large.append(image);
  const made = part(say('pictures'), large, element('p', 'soft', caption(now)));
  if (shown.length === 1) return made;
  const strip = element('div', 'strip');
  for (const revision of shown) {
    const small = button('thumb', null, () => choose(revision.sequence));
    small.dataset.picture = String(revision.sequence);
    small.setAttribute('aria-label', say('picture', caption(revision)));
    small.setAttribute('aria-pressed', String(revision === now));
    const preview = element('img');
    preview.alt = '';
    preview.loading = 'lazy';
    preview.addEventListener('error', () => small.remove());
    preview.src = pictureOf(revision);
    small.append(preview, element('span', '', clockText(Date.parse(revision.updated_at))));
    strip.append(small);
  }
  strip.addEventListener('keydown', (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const next = step && shown[shown.indexOf(now) + step];
    if (!next) return;
    event.preventDefault();
    choose(next.sequence);
    document.querySelector(`[data-picture="${next.sequence}"]`)?.focus();
  });
  made.append(strip);
  return made;
}

function verdict(alert) {
  const done = steps(alert);
  const over = !isGoing(alert);
  if (!over && !done.length) return part(say('verdict'), element('p', 'soft', say('no_verdict')));
  const made = part(say('verdict'), element('p', 'strong', say(alert.state)));
  for (const step of done) {
    made.append(element('p', '', stepText({ ...step, note: '' })));
    if (step.note) made.append(element('p', 'quote', step.note));
  }
  if (alert.closed_at) {
    const lasted = span((Date.parse(alert.closed_at) - Date.parse(alert.opened_at)) / 1_000);
    made.append(
      element('p', 'soft', `${say('ended', moment(alert.closed_at))} · ${say('lasted', lasted)}`),
    );
  }
  return made;
}

// Around it.

function around({ cameras }, alert) {
  const seeing = new Set(list(alert.cameras).map((camera) => camera.id));
  const all = new Map(cameras.map((camera) => [camera.id, camera]));
  // The alert knows where its cameras were, though they may be gone from the configuration.
  for (const camera of list(alert.cameras)) if (!all.has(camera.id)) all.set(camera.id, camera);
  const made = part(say('plan'), plan([...all.values()], seeing));
  const near = new Set(
    cameras.filter((camera) => seeing.has(camera.id)).flatMap((camera) => list(camera.neighbours)),
  );
  for (const camera of cameras)
    if (list(camera.neighbours).some((id) => seeing.has(id))) near.add(camera.id);
  const shown = [...near].filter((id) => !seeing.has(id)).slice(0, 6);
  if (!shown.length) return made;
  const strip = element('div', 'strip');
  for (const id of shown) {
    const tile = link(cameraLink(id), 'thumb', null);
    const image = element('img');
    image.alt = '';
    image.loading = 'lazy';
    image.src = `/api/cameras/${encodeURIComponent(id)}/picture.jpg?size=small`;
    image.addEventListener('error', () =>
      image.replaceWith(element('span', 'blank', say('no_picture'))),
    );
    tile.append(image, element('span', '', id));
    strip.append(tile);
  }
  made.append(element('h3', '', say('neighbours')), strip);
  return made;
}

/** The rule that such an incident comes from, where its first camera is still configured. */
function ruleOf({ cameras }, alert) {
  const ids = list(alert.cameras).map((camera) => camera.id);
  const camera = cameras.find((one) => ids.includes(one.id));
  return camera?.rules?.[alert.kind];
}

function course(view, revisions, alert) {
  const rule = ruleOf(view, alert);
  const ids = [...new Set(revisions.flatMap((r) => list(r.cameras).map((camera) => camera.id)))];
  const sure = ids
    .map((id) => ({
      name: id,
      points: revisions.flatMap((revision) =>
        list(revision.cameras)
          .filter((camera) => camera.id === id && typeof camera.confidence === 'number')
          .map((camera) => [Date.parse(revision.updated_at), camera.confidence]),
      ),
    }))
    .filter((line) => line.points.length);
  const stayed = revisions
    .filter((revision) => typeof revision.dwell_s === 'number')
    .map((revision) => [Date.parse(revision.updated_at), revision.dwell_s]);
  const plots = [
    lines(say('plot_confidence'), sure, { top: 1, limit: rule?.confidence_min, unit: percent }),
    stayed.length
      ? lines(say('plot_dwell'), [{ name: '', points: stayed }], {
          limit: rule?.dwell_s,
          unit: span,
        })
      : null,
  ].filter(Boolean);
  const made = element('section', 'part');
  made.append(...plots);
  made.hidden = plots.length === 0;
  return made;
}

function speed(revisions) {
  const timed = [...revisions].reverse().find((revision) => revision.latency_ms);
  const made = element('section', 'part');
  if (!timed) {
    made.hidden = true;
    return made;
  }
  const stages = STAGES.filter((stage) => typeof timed.latency_ms[stage] === 'number').map(
    (stage) => [say(stage), timed.latency_ms[stage]],
  );
  made.append(
    element('h2', '', `${say('latency')} · ${say('revision', timed.revision)}`),
    parts(stages, (value) => `${value.toFixed(1)} ms`),
  );
  return made;
}

function model(view, alert) {
  const rule = ruleOf(view, alert);
  const words = rule
    ? Object.entries(rule)
        .filter(([, value]) => ['number', 'string', 'boolean'].includes(typeof value))
        .map(([key, value]) => `${key} = ${typeof value === 'string' ? `"${value}"` : value}`)
        .join('\n')
    : '';
  const hash = element('code', 'hash', alert.model?.sha256 ?? '');
  const text = rows([
    [say('model'), alert.model?.name],
    ['SHA-256', hash],
  ]);
  return part(
    say('model'),
    text,
    words ? element('h3', '', say('thresholds')) : null,
    words ? element('pre', 'toml', words) : null,
  );
}

function downloads(view, alert) {
  const { path } = view;
  const made = element('div', 'line');
  const json = link(path, 'button', say('json'));
  json.download = `${alert.id}.json`;
  made.append(json);
  if (view.known.cap && KINDS.get(alert.kind)?.cap) {
    const cap = link(`${path}/cap.xml`, 'button', say('cap'));
    cap.download = `${alert.id}.xml`;
    made.append(cap);
  }
  return made;
}
