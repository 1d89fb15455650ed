// Zones and masks drawn over a picture: by mouse, by finger, by keyboard. Nothing is sent.

import { button, element, svg } from './dom.js';
import { say } from './words.js';

const RULES = ['fire', 'smoke', 'loitering'];
const STEP = 0.005;
const FAR = 0.05;
const POINTS_MAX = 64;

const clamp = (value) => Math.min(1, Math.max(0, Math.round(value * 1_000) / 1_000));

/** Whether two edges of a polygon cross. */
export function crosses(points) {
  const side = (a, b, c) =>
    Math.sign((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]));
  const count = points.length;
  for (let i = 0; i < count; i += 1) {
    for (let j = i + 2; j < count; j += 1) {
      if (i === 0 && j === count - 1) continue;
      const [a, b, c, d] = [points[i], points[(i + 1) % count], points[j], points[(j + 1) % count]];
      if (side(a, b, c) * side(a, b, d) < 0 && side(c, d, a) * side(c, d, b) < 0) return true;
    }
  }
  return false;
}

/** What is wrong with a shape, in words; empty where nothing is. */
export function fault(shape) {
  if (shape.points.length < 3) return say('few_points');
  if (crosses(shape.points)) return say('crossing');
  if (shape.kind === 'zone' && !shape.name.trim()) return say('no_name');
  if (shape.kind === 'zone' && !shape.rules.length) return say('no_rule');
  return '';
}

/**
 * An editor over `picture`. `shapes`: { kind: 'zone'|'mask', name, rules, points }, changed in
 * place; `changed()` is called after each change.
 */
export function editor(picture, shapes, changed) {
  const stage = element('div', 'stage');
  const layer = svg('svg', { viewBox: '0 0 1 1', preserveAspectRatio: 'none', class: 'layer' });
  layer.setAttribute('role', 'group');
  layer.setAttribute('aria-label', say('zones'));
  stage.append(picture, layer);
  const tools = element('div', 'line');
  const listing = element('div', 'stack');
  const box = element('div', 'stack');
  box.append(stage, element('p', 'soft', say('draw_help')), tools, listing);

  let active = -1;
  let drawing = false;
  let dragged = null;
  const current = () => shapes[active];

  const place = (event) => {
    const area = layer.getBoundingClientRect();
    return [
      clamp((event.clientX - area.left) / area.width),
      clamp((event.clientY - area.top) / area.height),
    ];
  };
  const add = (point, after) => {
    const shape = current();
    if (!shape || shape.points.length >= POINTS_MAX) return -1;
    const at = after === undefined ? shape.points.length : after + 1;
    shape.points.splice(at, 0, point);
    return at;
  };
  const remove = (at) => {
    current().points.splice(at, 1);
    draw(Math.min(at, current().points.length - 1));
  };
  const begin = (kind) => {
    shapes.push({
      kind,
      name: '',
      rules: kind === 'zone' ? ['loitering'] : [],
      residents: [],
      points: [],
    });
    active = shapes.length - 1;
    drawing = true;
    draw();
  };

  layer.addEventListener('pointerdown', (event) => {
    const point = event.target.dataset?.point;
    if (point !== undefined) {
      dragged = Number(point);
      layer.setPointerCapture(event.pointerId);
      event.preventDefault();
      return;
    }
    const shape = event.target.dataset?.shape;
    if (!drawing && shape !== undefined) {
      active = Number(shape);
      draw();
      return;
    }
    if (drawing && current()) {
      event.preventDefault();
      const at = add(place(event));
      if (at >= 0) draw(at);
    }
  });
  layer.addEventListener('pointermove', (event) => {
    if (dragged === null) return;
    current().points[dragged] = place(event);
    draw();
  });
  const drop = () => {
    if (dragged !== null) {
      const at = dragged;
      dragged = null;
      draw(at);
    }
  };
  layer.addEventListener('pointerup', drop);
  layer.addEventListener('pointercancel', drop);
  layer.addEventListener('keydown', (event) => {
    const at = Number(event.target.dataset?.point ?? -1);
    if (at < 0) return;
    const by = event.shiftKey ? FAR : STEP;
    const moves = {
      ArrowLeft: [-by, 0],
      ArrowRight: [by, 0],
      ArrowUp: [0, -by],
      ArrowDown: [0, by],
    };
    const [x, y] = current().points[at];
    if (moves[event.key]) {
      current().points[at] = [clamp(x + moves[event.key][0]), clamp(y + moves[event.key][1])];
      draw(at);
    } else if (event.key === 'Insert' || event.key === 'Enter') {
      const next = current().points[(at + 1) % current().points.length];
      draw(add([clamp((x + next[0]) / 2 + STEP), clamp((y + next[1]) / 2)], at));
    } else if (event.key === 'Delete' || event.key === 'Backspace') remove(at);
    else return;
    event.preventDefault();
  });

  /** Draws all anew; `focus`: the point to stand on afterwards. */
  function draw(focus) {
    const made = shapes.map((shape, index) => {
      const look = [shape.kind, index === active ? 'active' : '', fault(shape) ? 'wrong' : ''];
      const points = shape.points.map((point) => point.join(',')).join(' ');
      const form = svg(shape.points.length < 3 ? 'polyline' : 'polygon', {
        points,
        class: look.join(' '),
      });
      form.dataset.shape = String(index);
      return form;
    });
    const shape = current();
    const points = shape
      ? shape.points.map(([x, y], index) => {
          const dot = svg('ellipse', {
            cx: x,
            cy: y,
            class: 'handle',
            tabindex: 0,
            role: 'button',
          });
          dot.dataset.point = String(index);
          const words = say(
            'point',
            index + 1,
            shape.points.length,
            Math.round(x * 100),
            Math.round(y * 100),
          );
          dot.setAttribute('aria-label', words);
          return dot;
        })
      : [];
    layer.classList.toggle('drawing', drawing);
    layer.replaceChildren(...made, ...points);
    round();
    toolbar();
    list();
    changed();
    if (focus >= 0) points[focus]?.focus({ preventScroll: true });
  }

  /** Handles stay round and big enough for a finger, however the picture is stretched. */
  function round() {
    const { width, height } = layer.getBoundingClientRect();
    for (const dot of layer.querySelectorAll('.handle')) {
      dot.setAttribute('rx', String(11 / (width || 800)));
      dot.setAttribute('ry', String(11 / (height || 450)));
    }
  }

  function toolbar() {
    const shape = current();
    const focused = tools.contains(document.activeElement)
      ? document.activeElement.dataset.tool
      : '';
    const tool = (name, look, act, usable = true) => {
      const made = button(`button ${look}`, say(name), act);
      made.dataset.tool = name;
      made.disabled = !usable;
      return made;
    };
    tools.replaceChildren(
      tool('zone_new', '', () => begin('zone')),
      tool('mask_new', '', () => begin('mask')),
      tool(
        'add_point',
        '',
        () => {
          const last = shape.points.at(-1) ?? [0.45, 0.5];
          draw(
            add([clamp(last[0] + 0.05), clamp(last[1] + (shape.points.length % 2 ? 0.08 : -0.04))]),
          );
        },
        Boolean(shape),
      ),
      tool(
        'undo',
        '',
        () => {
          shape.points.pop();
          draw();
        },
        Boolean(shape?.points.length),
      ),
      tool(
        'finish',
        'primary',
        () => {
          drawing = false;
          active = -1;
          draw();
        },
        Boolean(shape),
      ),
    );
    if (focused) tools.querySelector(`[data-tool="${focused}"]`)?.focus();
  }

  function list() {
    // While somebody types a name, its field is left alone.
    if (listing.contains(document.activeElement) && listing.childElementCount === shapes.length) {
      shapes.forEach((shape, index) => {
        listing.children[index].querySelector('.why').textContent = fault(shape);
      });
      return;
    }
    listing.replaceChildren(...shapes.map(entry));
  }

  function entry(shape, index) {
    const made = element('fieldset', 'shape');
    made.append(element('legend', '', `${say(shape.kind)} ${index + 1}`));
    const line = element('div', 'line');
    if (shape.kind === 'zone') {
      const name = element('input');
      Object.assign(name, {
        type: 'text',
        value: shape.name,
        maxLength: 80,
        placeholder: say('zone_name'),
      });
      name.setAttribute('aria-label', say('zone_name'));
      name.addEventListener('input', () => {
        shape.name = name.value;
        draw();
      });
      line.append(name);
      for (const rule of RULES) {
        const label = element('label', 'check');
        const check = element('input');
        check.type = 'checkbox';
        check.checked = shape.rules.includes(rule);
        check.addEventListener('change', () => {
          shape.rules = RULES.filter((one) =>
            one === rule ? check.checked : shape.rules.includes(one),
          );
          draw();
        });
        label.append(check, say(rule));
        line.append(label);
      }
    }
    line.append(
      button('button', say('edit'), () => {
        active = index;
        drawing = false;
        draw(0);
      }),
    );
    line.append(
      button('button', say('remove'), () => {
        shapes.splice(index, 1);
        active = -1;
        drawing = false;
        listing.replaceChildren();
        draw();
        tools.querySelector('button')?.focus();
      }),
    );
    made.append(line, element('p', 'why', fault(shape)));
    return made;
  }

  const sized = new ResizeObserver(round);
  sized.observe(stage);
  draw();
  return { box, stop: () => sized.disconnect() };
}
