// How the daemon does: stages, latencies against their budgets, the outbox, the configuration.

import { element, getJson, rows } from './dom.js';
import { buckets } from './plot.js';
import { known, on } from './state.js';
import { say } from './words.js';

const EVERY_MS = 5_000;
const STAGES = ['Receive', 'Decode', 'Queue', 'Inference', 'Core', 'Store', 'Publish'];
/** From the last packet to the durable alert, at the 99th percentile. */
const BUDGET_MS = 250;

/** Shows the page in `main`; answers how to stop. */
export function systemPage(main) {
  const box = element('div', 'single');
  const health = element('section', 'part');
  const stages = element('section', 'part wide');
  const outbox = element('section', 'part');
  const config = element('section', 'part');
  const grid = element('div', 'panels');
  grid.append(health, outbox, config, stages);
  box.append(element('h1', '', say('nav_system')), grid);
  main.replaceChildren(box);
  let open = true;
  let before = null;

  const look = async () => {
    if (document.hidden) return;
    const system = await getJson('/api/system').catch((error) => ({ error }));
    const text = await fetch('/metrics', { signal: AbortSignal.timeout(10_000) })
      .then((answer) => (answer.ok ? answer.text() : ''))
      .catch(() => '');
    if (!open) return;
    const figures = { at: performance.now(), samples: text ? read(text) : null };
    if (system.error?.status === 403) {
      stages.replaceChildren(element('p', 'none', say('not_allowed')));
      return;
    }
    if (!system.error) showOutbox(outbox, system);
    if (figures.samples) {
      showStages(stages, figures, before);
      before = figures;
    } else stages.replaceChildren(element('p', 'none', say('not_allowed')));
  };
  const status = () => {
    showHealth(health);
    showConfig(config);
  };
  const stop = on('status', status);
  const timer = setInterval(look, EVERY_MS);
  status();
  look();
  return () => {
    open = false;
    stop();
    clearInterval(timer);
  };
}

function showHealth(part) {
  const status = known.status;
  if (!status) return;
  const online = status.cameras.filter((camera) => camera.state === 'online').length;
  part.replaceChildren(
    element('h2', '', say('sys_health')),
    rows([
      [
        say('state'),
        status.not_ready ? `${say('not_ready')} ${status.not_ready}` : say('sys_ready'),
      ],
      [say('cameras_online'), `${online} / ${status.cameras.length}`],
      [say('granted'), `${Math.round(status.granted * 100)} %`],
      ['MQTT', say(status.broker_up ? 'broker_up' : 'broker_down')],
      ['Kẻng', status.version],
    ]),
  );
}

function showConfig(part) {
  const error = known.status?.reload_error;
  part.replaceChildren(element('h2', '', say('reload')));
  if (error) part.append(element('p', 'why', say('fault')), element('pre', 'toml', error));
  else part.append(element('p', '', say('reload_ok')));
}

function showOutbox(part, system) {
  const { last, mqtt, depth } = system.outbox;
  part.replaceChildren(
    element('h2', '', say('outbox')),
    rows([
      [say('outbox_last'), String(last)],
      [say('outbox_mqtt'), String(mqtt)],
      [say('outbox_depth'), String(depth)],
      [say('set_aside'), String(known.status?.set_aside ?? 0)],
    ]),
  );
  const outlets = known.status?.outlets ?? [];
  if (outlets.length) part.append(element('h3', '', say('outlets')));
  for (const { id, behind, failing } of outlets) {
    const text = [id, say('behind', behind), failing].filter(Boolean).join(' · ');
    part.append(element('p', failing ? 'outlet why' : 'outlet soft', text));
  }
}

// OpenMetrics text.

/** name: [{ labels, value }]. */
function read(text) {
  const samples = new Map();
  for (const line of text.split('\n')) {
    const found = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line);
    if (!found || line.startsWith('#')) continue;
    const labels = {};
    for (const [, key, value] of (found[2] ?? '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g))
      labels[key] = value;
    if (!samples.has(found[1])) samples.set(found[1], []);
    samples.get(found[1]).push({ labels, value: Number(found[3]) });
  }
  return samples;
}
function sum(samples, name, stage) {
  return (samples.get(name) ?? [])
    .filter(({ labels }) => labels.stage === stage)
    .reduce((total, { value }) => total + value, 0);
}
/** A histogram's buckets, each with its own count: [upper bound in s, count]. */
function histogram(samples, name, stage) {
  const cumulative = (samples.get(`${name}_bucket`) ?? [])
    .filter(({ labels }) => stage === undefined || labels.stage === stage)
    .map(({ labels, value }) => [labels.le === '+Inf' ? Infinity : Number(labels.le), value])
    .sort((a, b) => a[0] - b[0]);
  return cumulative.map(([bound, count], index) => [
    bound,
    count - (cumulative[index - 1]?.[1] ?? 0),
  ]);
}
/** The quantile's bucket, interpolated within it, in s. */
function quantile(list, share) {
  const total = list.reduce((all, [, count]) => all + count, 0);
  if (!total) return null;
  let left = total * share;
  for (const [index, [bound, count]] of list.entries()) {
    const low = list[index - 1]?.[0] ?? 0;
    if (left <= count)
      return Number.isFinite(bound) ? low + (bound - low) * (left / (count || 1)) : low;
    left -= count;
  }
  return null;
}
function milliseconds(seconds) {
  if (seconds === null) return '–';
  if (seconds >= 1) return `${seconds.toFixed(1)} s`;
  return `${(seconds * 1_000).toPrecision(seconds < 0.01 ? 2 : 3)} ms`;
}

function showStages(part, figures, before) {
  const { samples } = figures;
  const table = element('table', 'figures wide');
  const head = element('tr');
  for (const key of ['stage', 'took', 'passed', 'lost_count', 'p50', 'p95', 'p99', 'histogram']) {
    const cell = element('th', '', say(key));
    cell.scope = 'col';
    head.append(cell);
  }
  const top = element('thead');
  top.append(head);
  const body = element('tbody');
  const seconds = before ? (figures.at - before.at) / 1_000 : 0;
  const rate = (name, stage) => {
    const now = sum(samples, name, stage);
    if (!seconds) return String(now);
    return `${((now - sum(before.samples, name, stage)) / seconds).toFixed(1)}${say('per_s')}`;
  };
  for (const stage of STAGES) {
    const list = histogram(samples, 'keng_stage_seconds', stage);
    const lost = sum(samples, 'keng_stage_dropped_total', stage);
    const counted = (samples.get('keng_stage_taken_total') ?? []).some(
      ({ labels }) => labels.stage === stage,
    );
    const row = element('tr');
    const name = element('th', '', say(stage));
    name.scope = 'row';
    row.append(name);
    const cells = counted
      ? [
          rate('keng_stage_taken_total', stage),
          rate('keng_stage_passed_total', stage),
          String(lost),
        ]
      : ['–', '–', '–'];
    for (const text of cells) row.append(element('td', '', text));
    for (const share of [0.5, 0.95, 0.99])
      row.append(element('td', '', milliseconds(quantile(list, share))));
    const plot = element('td', 'plot-cell');
    if (list.some(([, count]) => count)) plot.append(buckets(list, words(stage, list)));
    row.append(plot);
    body.append(row);
  }
  table.append(top, body);
  const scroll = element('div', 'scroll');
  scroll.tabIndex = 0;
  scroll.setAttribute('role', 'region');
  scroll.setAttribute('aria-label', say('sys_stages'));
  scroll.append(table);
  part.replaceChildren(element('h2', '', say('sys_stages')), scroll, whole(samples));
}
const words = (stage, list) =>
  `${say('histogram')} ${say(stage)}: p50 ${milliseconds(quantile(list, 0.5))}, ` +
  `p99 ${milliseconds(quantile(list, 0.99))}`;

/** What the promise is about, beside its budget. */
function whole(samples) {
  const list = histogram(samples, 'keng_alert_seconds');
  const p99 = quantile(list, 0.99);
  const line = element('p', 'budget');
  line.append(
    `${say('alert_latency')}: p50 ${milliseconds(quantile(list, 0.5))} · p99 ${milliseconds(p99)} · ` +
      `${say('budget', BUDGET_MS)}`,
  );
  const over = p99 !== null && p99 * 1_000 > BUDGET_MS;
  line.append(' ', element('strong', over ? 'why' : 'fine', p99 === null ? '' : over ? '✗' : '✓'));
  return line;
}
