// What happened in some days, as the daemon counts it: a sheet to read and to print.

import { button, element, isoDay, link, now, setServerTime, signIn, tell } from './dom.js';
import { khuPho, khuPhoName, known, on } from './state.js';
import { language, say } from './words.js';

const DAY_MS = 86_400_000;

/** Shows the page in `main`; answers how to stop. */
export function statisticsPage(main, query) {
  const wish = Object.fromEntries(
    ['from', 'to', 'khu_pho'].map((key) => [key, query.get(key) ?? '']),
  );
  const box = element('div', 'single');
  const told = element('p', 'none');
  told.setAttribute('role', 'status');
  const sheet = element('div', 'sheet');
  const asked = choice(wish, (picked) => {
    Object.assign(wish, picked);
    const text = address(wish);
    history.replaceState(null, '', text ? `#/statistics?${text}` : '#/statistics');
    load();
  });
  box.append(element('h1', '', say('nav_statistics')), asked.form, told, sheet);
  main.replaceChildren(box);
  let turn = 0;

  async function load() {
    turn += 1;
    const mine = turn;
    tell(told, say('loading'));
    told.hidden = false;
    try {
      const report = await read(wish);
      if (mine !== turn) return;
      show(sheet, report);
      asked.fill(report.dataset);
      told.hidden = true;
    } catch (error) {
      if (mine !== turn) return;
      const why = error.name === 'TimeoutError' ? '20 s' : error.message;
      tell(told, error.status === 404 ? say('not_found') : say('failed', why));
    }
  }
  const stops = [
    on('me', asked.places),
    on('status', asked.places),
    on('link', (state) => {
      if (state === 'up' && !told.hidden) load();
    }),
  ];
  asked.places();
  load();
  return () => {
    turn += 1;
    stops.forEach((stop) => stop());
  };
}

function address(wish, more = {}) {
  const all = Object.entries({ ...wish, ...more }).filter(([, value]) => value);
  return new URLSearchParams(all).toString();
}

/** The report's document. It is the daemon's own, with all that came from elsewhere as text. */
async function read(wish) {
  const more = { format: 'html', language: language() };
  const answer = await fetch(`/api/report?${address(wish, more)}`, {
    signal: AbortSignal.timeout(20_000),
  });
  if (answer.status === 401) await signIn();
  const text = await answer.text();
  if (!answer.ok) {
    const why = answer.status === 422 ? text.slice(0, 200) : String(answer.status);
    throw Object.assign(new Error(why), { status: answer.status });
  }
  setServerTime(answer.headers.get('date'));
  return new DOMParser().parseFromString(text, 'text/html').body;
}

/** The sheet has a style of its own, as on paper; the page's does not reach it. */
function show(sheet, report) {
  const root = sheet.shadowRoot ?? sheet.attachShadow({ mode: 'open' });
  const article = document.importNode(report.querySelector('article.report'), true);
  // What can be scrolled on a phone can be reached by keyboard.
  for (const wide of article.querySelectorAll('.wide')) {
    wide.tabIndex = 0;
    wide.setAttribute('role', 'region');
    wide.setAttribute('aria-label', wide.closest('section')?.querySelector('h2')?.textContent);
  }
  root.querySelector('article')?.remove();
  if (!root.querySelector('link')) {
    const style = element('link');
    Object.assign(style, { rel: 'stylesheet', href: '/report.css' });
    root.append(style);
  }
  root.append(article);
}

function field(key, input) {
  const label = element('label', 'field');
  label.append(element('span', '', say(key)), input);
  return label;
}
function day(key) {
  const input = element('input');
  Object.assign(input, { type: 'date', id: `s-${key}`, min: '2000-01-01' });
  return input;
}

/** The days and the khu phố that are told, and what can be done with them. */
function choice(wish, pick) {
  const form = element('form', 'stack choices');
  const [from, to] = [day('from'), day('to')];
  const place = element('select');
  place.id = 's-khu-pho';
  const places = field('khu_pho', place);
  const submit = element('button', 'button primary', say('show'));
  const [csv, json] = ['CSV', 'JSON'].map((format) => {
    const made = link('#', 'button', format);
    made.setAttribute('aria-label', `${say('download')} ${format}`);
    return made;
  });
  const quick = (key, days) => button('button', say(key), () => pick(days()));
  const [days, more] = [element('div', 'choice'), element('div', 'choice')];
  days.append(field('from_day', from), field('to_day', to), places, submit);
  more.append(
    quick('days7', () => ({ from: '', to: '' })),
    quick('days30', () => ({ from: isoDay(now() - 30 * DAY_MS), to: isoDay(now() - DAY_MS) })),
    quick('month_last', lastMonth),
    button('button', say('print'), () => window.print()),
    csv,
    json,
  );
  form.append(days, more);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    pick({ from: from.value, to: to.value, khu_pho: place.value });
  });
  place.addEventListener('change', () => pick({ khu_pho: place.value }));
  let shown = wish.khu_pho;
  return {
    form,
    places: () => {
      const theirs = known.me?.khu_pho;
      const ids = theirs ?? ['', ...khuPho.keys()];
      const options = ids.map((id) => {
        const made = element('option', '', id ? khuPhoName(id) : say('all_khu_pho'));
        made.value = id;
        return made;
      });
      place.replaceChildren(...options);
      place.value = shown;
      places.hidden = ids.length - (theirs ? 0 : 1) < 2;
    },
    fill: (told) => {
      from.value = told.from;
      to.value = told.to;
      shown = told.khuPho;
      place.value = shown;
      const exact = { from: told.from, to: told.to, khu_pho: shown };
      for (const [made, format] of [[csv, 'csv'], [json, 'json']]) {
        made.href = `/api/report?${address(exact, { format })}`;
        made.download = ['keng', shown, told.from, told.to].filter(Boolean).join('-') + `.${format}`;
      }
    },
  };
}

/** The month before this one, by the ward's calendar. */
function lastMonth() {
  const [year, month] = isoDay(now()).split('-').map(Number);
  const text = (at) => new Date(at).toISOString().slice(0, 10);
  return { from: text(Date.UTC(year, month - 2, 1)), to: text(Date.UTC(year, month - 1, 0)) };
}
