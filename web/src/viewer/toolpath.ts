// All that a file draws, in typed arrays: its points one after another, and where layers begin.
import { KINDS, NOTHING, TRAVEL } from "./kinds";
import type { Style } from "./remarks";

/** Points of one block; storage grows by blocks, so that nothing is ever copied. */
export const BLOCK = 1 << 16;
/** More points than this are not kept: some 600 MB of G-code, and 320 MB of memory. */
export const MOST_POINTS = 24_000_000;
export const MOST_LAYERS = 200_000;
/** Without a slicer's marks, a wall that climbs as it goes begins a layer at each such step, mm. */
const CLIMB_MM = 0.2;
/** Heights nearer than this are the same, in mm. */
const SAME_MM = 0.0005;

export interface Box {
  low: [number, number, number];
  high: [number, number, number];
}

/** What one layer holds; lengths in mm. */
export interface Layer {
  /** The first point that belongs to it. */
  first: number;
  /** The nozzle's height above the bed. */
  z: number;
  /** Where in the file it begins. */
  byte: number;
  /** Commands that print, and that only move. */
  prints: number;
  travels: number;
  printed: number;
  travelled: number;
  /** The printed length of each kind, in the order of KINDS. */
  kinds: number[];
}

export function emptyBox(): Box {
  return { low: [Infinity, Infinity, Infinity], high: [-Infinity, -Infinity, -Infinity] };
}

function widen(box: Box, x: number, y: number, z: number): void {
  const { low, high } = box;
  if (x < low[0]) low[0] = x;
  if (y < low[1]) low[1] = y;
  if (z < low[2]) low[2] = z;
  if (x > high[0]) high[0] = x;
  if (y > high[1]) high[1] = y;
  if (z > high[2]) high[2] = z;
}

/** Written by a reader, drawn by the views. A point is joined to the one before it by its kind. */
export class Toolpath {
  readonly layers: Layer[] = [];
  /** Around what is printed, and around everything. */
  readonly printed = emptyBox();
  readonly whole = emptyBox();
  /** x, y and z of each point, in mm, BLOCK points an array; and what leads to it. */
  readonly places: Float32Array[] = [];
  readonly kinds: Uint8Array[] = [];
  count = 0;
  #layer: Layer = blank(0, 0);
  #style: Style | null = null;
  #said: number | null = null;

  /** Whether nothing more is taken. */
  get full(): boolean {
    return this.count >= MOST_POINTS || this.layers.length >= MOST_LAYERS;
  }

  /** Whether a slicer has marked a layer: those before its first mark have become one. */
  get marked(): boolean {
    return this.#style !== null;
  }

  /** Where layer `index` ends: the point behind its last one. */
  endOf(index: number): number {
    return this.layers[index + 1]?.first ?? this.count;
  }

  /** A slicer says that a layer begins; the style that says it first is the one that counts. */
  mark(style: Style, z: number | null, byte: number): void {
    if (this.#style === null) this.#gather(byte);
    else if (this.#style === style) this.#open(byte);
    else return;
    this.#style = style;
    this.#said = z;
    if (z !== null) this.#layer.z = z;
  }

  /** A slicer says how high the layer is that has begun. */
  height(z: number): void {
    if (this.#style === null || this.#said !== null) return;
    this.#said = z;
    this.#layer.z = z;
  }

  /** A command that prints ends here; its length counts where it is known. */
  print(z: number, length: number, kind: number, climbs: boolean, byte: number): void {
    if (this.#style === null) this.#byHeight(z, climbs, byte);
    else if (this.#said === null && !Number.isNaN(z)) this.#layer.z = z;
    const layer = this.#layer;
    layer.prints += 1;
    if (!Number.isNaN(length)) {
      layer.printed += length;
      layer.kinds[kind - 1] = (layer.kinds[kind - 1] ?? 0) + length;
    }
  }

  /** A command that only moves. */
  travel(length: number): void {
    this.#layer.travels += 1;
    if (!Number.isNaN(length)) this.#layer.travelled += length;
  }

  /** Add a point, joined to the last one by this kind of line. */
  point(x: number, y: number, z: number, kind: number): void {
    const at = this.count % BLOCK;
    if (at === 0) {
      this.places.push(new Float32Array(BLOCK * 3));
      this.kinds.push(new Uint8Array(BLOCK));
    }
    const places = this.places[this.places.length - 1] as Float32Array;
    (this.kinds[this.kinds.length - 1] as Uint8Array)[at] = kind;
    places[at * 3] = x;
    places[at * 3 + 1] = y;
    places[at * 3 + 2] = z;
    this.count += 1;
    widen(this.whole, x, y, z);
  }

  /** What is printed reaches to here. */
  reach(x: number, y: number, z: number): void {
    widen(this.printed, x, y, z);
  }

  #byHeight(z: number, climbs: boolean, byte: number): void {
    const height = Number.isNaN(z) ? 0 : z;
    const step = height - this.#layer.z;
    const least = climbs ? CLIMB_MM - SAME_MM : SAME_MM;
    if (this.layers.length && (climbs ? step : Math.abs(step)) < least) return;
    this.#open(byte);
    this.#layer.z = height;
  }

  /** What came before the first mark belongs to the first layer, as a line that primes. */
  #gather(byte: number): void {
    const before = this.layers.splice(0);
    const layer = this.#layer;
    for (const one of before) if (one !== layer) merge(layer, one);
    layer.first = 0;
    layer.byte = before[0]?.byte ?? byte;
    this.layers.push(layer);
  }

  #open(byte: number): void {
    if (this.layers.length) this.#layer = blank(this.count, byte);
    else this.#layer.byte = byte; // what was moved before counts with the first
    this.layers.push(this.#layer);
  }
}

function blank(first: number, byte: number): Layer {
  const kinds = new Array<number>(KINDS.length).fill(0);
  return { first, z: 0, byte, prints: 0, travels: 0, printed: 0, travelled: 0, kinds };
}

function merge(into: Layer, from: Layer): void {
  into.prints += from.prints;
  into.travels += from.travels;
  into.printed += from.printed;
  into.travelled += from.travelled;
  from.kinds.forEach((length, at) => (into.kinds[at] = (into.kinds[at] ?? 0) + length));
}

/** Whether this kind of line is plastic. */
export function isPrinted(kind: number): boolean {
  return kind !== NOTHING && kind !== TRAVEL;
}
