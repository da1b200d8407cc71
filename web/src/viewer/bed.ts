// The bed under the part: a square of lines, 10 mm apart, as vertices.
import { BED } from "./program";
import type { Box } from "./toolpath";
import { VERTEX_BYTES, type Grid } from "./vertices";

const STEP_MM = 10;
/** Never more lines than this in one direction. */
const MOST_LINES = 200;

/** Pairs of vertices; nothing is printed where there are none. */
export function bedOf(box: Box, grid: Grid): Uint8Array {
  const { low, high } = box;
  if (!(high[0] >= low[0])) return new Uint8Array(0);
  const step = stepFor(Math.max(high[0] - low[0], high[1] - low[1]));
  const [x0, y0] = [floorTo(low[0], step) - step, floorTo(low[1], step) - step];
  const [x1, y1] = [floorTo(high[0], step) + 2 * step, floorTo(high[1], step) + 2 * step];
  const lines: number[][] = [];
  for (let x = x0; x <= x1; x += step) lines.push([x, y0, x, y1]);
  for (let y = y0; y <= y1; y += step) lines.push([x0, y, x1, y]);
  const buffer = new ArrayBuffer(lines.length * 2 * VERTEX_BYTES);
  const places = new Int16Array(buffer);
  const bytes = new Uint8Array(buffer);
  const put = (at: number, x: number, y: number): void => {
    const { middle, step: unit } = grid;
    [x, y, 0].forEach((one, axis) => {
      const place = Math.round((one - (middle[axis] ?? 0)) / unit);
      places[at * 4 + axis] = Math.max(-32768, Math.min(32767, place));
    });
    bytes[at * VERTEX_BYTES + 6] = BED;
    bytes[at * VERTEX_BYTES + 7] = 255;
  };
  lines.forEach(([ax = 0, ay = 0, bx = 0, by = 0], at) => {
    put(2 * at, ax, ay);
    put(2 * at + 1, bx, by);
  });
  return bytes;
}

function stepFor(side: number): number {
  return STEP_MM * Math.max(1, Math.ceil(side / STEP_MM / MOST_LINES));
}

function floorTo(value: number, step: number): number {
  return Math.floor(value / step) * step;
}
