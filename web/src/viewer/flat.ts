// Draws one layer from above, the layer below it faintly; in pieces, so that a frame stays short.
import { NOTHING, TRAVEL } from "./kinds";
import type { Look } from "./messages";
import { BLOCK, type Toolpath } from "./toolpath";

/** What is drawn before the clock is looked at, and in one path. */
const AT_ONCE = 2048;
const IN_ONE_PATH = 256;
/** The width of a line of plastic, in mm; files seldom say it. */
const PLASTIC_MM = 0.42;
/** A line shorter than this, in pixels, is drawn with the next one. */
const FINEST_PX = 0.7;

export type Context = Pick<
  OffscreenCanvasRenderingContext2D,
  | "fillStyle"
  | "strokeStyle"
  | "lineWidth"
  | "lineCap"
  | "lineJoin"
  | "fillRect"
  | "beginPath"
  | "moveTo"
  | "lineTo"
  | "stroke"
>;
export interface Size {
  width: number;
  height: number;
  ratio: number;
}

/** Pixels a millimetre, and where the bed's zero is on the picture. */
export function projection(look: Look, size: Size): { scale: number; x0: number; y0: number } {
  const { camera } = look;
  const scale = Math.min(size.width, size.height) / camera.span;
  return {
    scale,
    x0: size.width / 2 - camera.x * scale,
    y0: size.height / 2 + camera.y * scale,
  };
}

/** Draw; each step is some thousand lines. Ends when all is drawn. */
export function* drawFlat(
  context: Context,
  path: Toolpath,
  look: Look,
  size: Size,
): Generator<undefined> {
  context.fillStyle = look.colours.ground;
  context.fillRect(0, 0, size.width, size.height);
  drawGrid(context, look, size);
  context.lineJoin = "round";
  context.lineCap = "round";
  const layer = path.layers[look.layer];
  if (!layer) return;
  const pen = new Pen(context, path, look, size);
  const below = path.layers[look.layer - 1];
  const end = path.endOf(look.layer);
  const until = layer.first + Math.round((end - layer.first) * look.until);
  if (below) yield* pen.draw(below.first, layer.first, true);
  yield* pen.draw(until, end, true);
  yield* pen.draw(layer.first, until, false);
}

function drawGrid(context: Context, look: Look, size: Size): void {
  const { scale, x0, y0 } = projection(look, size);
  const step = look.camera.span > 100 ? 50 : 10;
  context.strokeStyle = look.colours.grid;
  context.lineWidth = 1;
  context.beginPath();
  for (let x = Math.ceil(-x0 / scale / step) * step; x0 + x * scale <= size.width; x += step) {
    context.moveTo(x0 + x * scale, 0);
    context.lineTo(x0 + x * scale, size.height);
  }
  for (let y = Math.ceil((y0 - size.height) / scale / step) * step; y <= y0 / scale; y += step) {
    context.moveTo(0, y0 - y * scale);
    context.lineTo(size.width, y0 - y * scale);
  }
  context.stroke();
}

/** Draws runs of points as paths of one colour. */
class Pen {
  readonly #context: Context;
  readonly #path: Toolpath;
  readonly #look: Look;
  readonly #size: Size;
  readonly #scale: number;
  readonly #x0: number;
  readonly #y0: number;
  #kind = NOTHING;
  #inPath = 0;
  /** Where the pen is, and where the nozzle is: the last points may not have been drawn yet. */
  #x = 0;
  #y = 0;
  #lastX = 0;
  #lastY = 0;
  #faint = false;

  constructor(context: Context, path: Toolpath, look: Look, size: Size) {
    this.#context = context;
    this.#path = path;
    this.#look = look;
    this.#size = size;
    const { scale, x0, y0 } = projection(look, size);
    [this.#scale, this.#x0, this.#y0] = [scale, x0, y0];
  }

  /** The points from `from` on, before `to`, each with what leads to it. */
  *draw(from: number, to: number, faint: boolean): Generator<undefined> {
    this.#faint = faint;
    this.#kind = NOTHING;
    if (from > 0 && from < to) this.#jump(from - 1);
    for (let at = from; at < to; at += 1) {
      this.#point(at);
      if (at % AT_ONCE === 0) {
        this.#ink();
        yield;
      }
    }
    this.#ink();
  }

  #jump(at: number): void {
    const place = this.#path.places[Math.floor(at / BLOCK)] as Float32Array;
    const offset = (at % BLOCK) * 3;
    this.#lastX = this.#x0 + (place[offset] as number) * this.#scale;
    this.#lastY = this.#y0 - (place[offset + 1] as number) * this.#scale;
  }

  #point(at: number): void {
    const block = Math.floor(at / BLOCK);
    const kind = (this.#path.kinds[block] as Uint8Array)[at % BLOCK] as number;
    const [fromX, fromY] = [this.#lastX, this.#lastY];
    this.#jump(at);
    if (!this.#isShown(kind) || this.#isOutside(fromX, fromY)) {
      this.#ink();
      return;
    }
    if (kind !== this.#kind || this.#inPath >= IN_ONE_PATH) {
      this.#ink();
      this.#begin(kind, fromX, fromY);
    }
    const far = Math.abs(this.#lastX - this.#x) + Math.abs(this.#lastY - this.#y);
    if (far >= FINEST_PX) this.#line();
  }

  #isShown(kind: number): boolean {
    if (kind === NOTHING || (this.#faint && kind === TRAVEL)) return false;
    return this.#look.shown[kind] === true;
  }

  #isOutside(fromX: number, fromY: number): boolean {
    const { width, height } = this.#size;
    const [x, y] = [this.#lastX, this.#lastY];
    return (
      (x < 0 && fromX < 0) ||
      (y < 0 && fromY < 0) ||
      (x > width && fromX > width) ||
      (y > height && fromY > height)
    );
  }

  #begin(kind: number, x: number, y: number): void {
    const context = this.#context;
    const { colours } = this.#look;
    const wide = Math.max(1, Math.min(8, PLASTIC_MM * this.#scale * 0.85));
    context.strokeStyle = this.#faint ? colours.faint : (colours.kinds[kind] ?? colours.faint);
    context.lineWidth = kind === TRAVEL ? Math.max(1, this.#size.ratio / 2) : wide;
    context.beginPath();
    context.moveTo(x, y);
    [this.#kind, this.#inPath, this.#x, this.#y] = [kind, 0, x, y];
  }

  #line(): void {
    this.#context.lineTo(this.#lastX, this.#lastY);
    [this.#x, this.#y] = [this.#lastX, this.#lastY];
    this.#inPath += 1;
  }

  /** Put the path that was begun on the picture. */
  #ink(): void {
    if (this.#kind === NOTHING) return;
    this.#context.stroke();
    this.#kind = NOTHING;
  }
}
