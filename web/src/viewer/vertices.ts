// Points as the graphics processor takes them: 8 bytes each, and thinned ones for quick pictures.
import { NOTHING, placeOf } from "./kinds";
import { BLOCK, isPrinted, type Box, type Toolpath } from "./toolpath";

/** Three 16-bit coordinates, the kind, and how much light falls on the line. */
export const VERTEX_BYTES = 8;
const REACH = 32_000;
/** Points of a layer below which it is left out rather than thinned further. */
const FEWEST = 12;
const OUTER = placeOf("outer");

/** How millimetres become 16-bit numbers: the middle, and millimetres a step. */
export interface Grid {
  middle: [number, number, number];
  step: number;
}

export function gridOf(box: Box): Grid {
  const { low, high } = box;
  const sides = [high[0] - low[0], high[1] - low[1], high[2] - low[2]];
  const middle: Grid["middle"] = [
    (high[0] + low[0]) / 2,
    (high[1] + low[1]) / 2,
    (high[2] + low[2]) / 2,
  ];
  return { middle, step: Math.max(...sides, 1) / 2 / REACH };
}

/** Writes points into a buffer of vertices. */
export class VertexWriter {
  readonly #path: Toolpath;
  readonly #grid: Grid;
  readonly #places: Int16Array;
  readonly #bytes: Uint8Array;
  #count = 0;

  constructor(path: Toolpath, grid: Grid, most: number) {
    this.#path = path;
    this.#grid = grid;
    const buffer = new ArrayBuffer(most * VERTEX_BYTES);
    this.#places = new Int16Array(buffer);
    this.#bytes = new Uint8Array(buffer);
  }

  get count(): number {
    return this.#count;
  }

  get full(): boolean {
    return (this.#count + 1) * VERTEX_BYTES > this.#bytes.length;
  }

  clear(): void {
    this.#count = 0;
  }

  /** What was written, in place. */
  written(): Uint8Array {
    return this.#bytes.subarray(0, this.#count * VERTEX_BYTES);
  }

  /** Add point `at`, led to from point `from` by this kind of line. */
  add(at: number, from: number, kind: number): void {
    const place = this.#path.places[Math.floor(at / BLOCK)] as Float32Array;
    const other = this.#path.places[Math.floor(from / BLOCK)] as Float32Array;
    const [i, j] = [(at % BLOCK) * 3, (from % BLOCK) * 3];
    const [x, y] = [place[i] as number, place[i + 1] as number];
    const [dx, dy] = [x - (other[j] as number), y - (other[j + 1] as number)];
    const { middle, step } = this.#grid;
    const first = this.#count * (VERTEX_BYTES / 2);
    this.#places[first] = Math.round((x - middle[0]) / step);
    this.#places[first + 1] = Math.round((y - middle[1]) / step);
    this.#places[first + 2] = Math.round(((place[i + 2] as number) - middle[2]) / step);
    const byte = this.#count * VERTEX_BYTES + 6;
    this.#bytes[byte] = kind;
    this.#bytes[byte + 1] = light(dx, dy);
    this.#count += 1;
  }
}

/** How much light falls on a line of this direction, 0–255: it comes from the front left. */
function light(dx: number, dy: number): number {
  const length = Math.sqrt(dx * dx + dy * dy);
  if (length === 0) return 200;
  return 150 + Math.round((105 * Math.abs(dx * 0.85 - dy * 0.53)) / length);
}

/** The points that show the outside of all layers with few lines. */
export class Thinned {
  /** How many vertices belong to each layer and those below it. */
  readonly ends: Uint32Array;
  readonly writer: VertexWriter;
  readonly #path: Toolpath;
  readonly #perLayer: number;
  readonly #every: number;
  #next = 0;

  constructor(path: Toolpath, grid: Grid, most: number) {
    const layers = Math.max(1, path.layers.length);
    this.#path = path;
    this.#every = Math.max(1, Math.ceil((layers * FEWEST) / most));
    this.#perLayer = Math.max(FEWEST, Math.floor((most * this.#every) / layers));
    this.ends = new Uint32Array(path.layers.length);
    this.writer = new VertexWriter(path, grid, most);
  }

  get done(): boolean {
    return this.#next >= this.ends.length;
  }

  /** Thin the next layer. */
  step(): void {
    const index = this.#next;
    if (index % this.#every === 0) this.#layer(index);
    this.ends[index] = this.writer.count;
    this.#next += 1;
  }

  #layer(index: number): void {
    const path = this.#path;
    const layer = path.layers[index];
    if (!layer) return;
    const end = path.endOf(index);
    const outer = (layer.kinds[OUTER - 1] ?? 0) > 0;
    let [wanted, runs, inRun] = [0, 0, false];
    const fits = (at: number): boolean => {
      const kind = kindAt(path, at);
      return outer ? kind === OUTER : isPrinted(kind);
    };
    for (let at = layer.first; at < end; at += 1) {
      const is = fits(at);
      if (is) wanted += 1;
      if (is && !inRun) runs += 1;
      inRun = is;
    }
    const room = this.#perLayer - 2 * runs;
    const every = room > 0 ? Math.max(1, Math.ceil(wanted / room)) : Infinity;
    this.#thin(layer.first, end, every, fits);
  }

  #thin(from: number, end: number, every: number, fits: (at: number) => boolean): void {
    const most = this.writer.count + this.#perLayer;
    let last = -1;
    let since = 0;
    for (let at = Math.max(1, from); at < end && this.writer.count + 2 <= most; at += 1) {
      if (!fits(at)) {
        last = -1;
        continue;
      }
      if (last < 0) {
        if (this.writer.full) return;
        this.writer.add(at - 1, at - 1, NOTHING);
        last = at - 1;
        since = 0;
      }
      since += 1;
      const ends = at + 1 >= end || !fits(at + 1);
      if (since < every && !ends) continue;
      if (this.writer.full) return;
      this.writer.add(at, last, kindAt(this.#path, at));
      last = at;
      since = 0;
    }
  }
}

function kindAt(path: Toolpath, at: number): number {
  return (path.kinds[Math.floor(at / BLOCK)] as Uint8Array)[at % BLOCK] as number;
}
