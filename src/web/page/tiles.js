// A map beneath the plan, of the server that the admin has configured; where its tiles can't be
// had, the plan is what it is without.

import { svg } from './dom.js';

/** Web Mercator has no more that many servers have. */
const ZOOM_MAX = 19;
/** Tiles are shown no larger, in the plan's units. */
const TILE_MAX = 256;
const METRES_ROUND = 360 * 111_320;

/** Where a place lies on the world's map, in shares of it. */
function worldOf(lat, lon) {
  const phi = (lat * Math.PI) / 180;
  return { x: (lon + 180) / 360, y: (1 - Math.asinh(Math.tan(phi)) / Math.PI) / 2 };
}

/** Tiles around `centre`, which lies in the middle; `scale`: the plan's units a metre. */
export function tiles(template, centre, scale, { width, height }) {
  const made = svg('g', { class: 'tiles', 'aria-hidden': 'true' });
  const round = METRES_ROUND * Math.cos((centre.lat * Math.PI) / 180) * scale;
  const zoom = Math.min(ZOOM_MAX, Math.max(0, Math.ceil(Math.log2(round / TILE_MAX))));
  const count = 2 ** zoom;
  const side = round / count;
  const middle = worldOf(centre.lat, centre.lon);
  const first = (place, room) => Math.floor(place * count - room / 2 / side);
  const last = (place, room) => Math.floor(place * count + room / 2 / side);
  for (let y = first(middle.y, height); y <= last(middle.y, height); y += 1) {
    for (let x = first(middle.x, width); x <= last(middle.x, width); x += 1) {
      if (y < 0 || y >= count) continue;
      const around = ((x % count) + count) % count;
      const href = template
        .replace('{z}', String(zoom))
        .replace('{x}', String(around))
        .replace('{y}', String(y));
      const tile = svg('image', {
        href,
        x: width / 2 + (x - middle.x * count) * side,
        y: height / 2 + (y - middle.y * count) * side,
        width: side,
        height: side,
        preserveAspectRatio: 'none',
      });
      tile.addEventListener('error', () => tile.remove());
      made.append(tile);
    }
  }
  return made;
}
