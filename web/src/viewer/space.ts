// Draws all layers up to one in space: quickly and thinned while one looks around, then in full.
import { Aside } from "./aside";
import { bedOf } from "./bed";
import type { Size } from "./flat";
import { NOTHING } from "./kinds";
import { viewOf } from "./matrix";
import type { Look } from "./messages";
import { BED, COLOURS, programOf, rgba } from "./program";
import { BLOCK, type Toolpath } from "./toolpath";
import { gridOf, Thinned, VERTEX_BYTES, VertexWriter, type Grid } from "./vertices";

/** Lines of a quick picture, from the finest to the coarsest; the one that is quick is used. */
const LEVELS = [240_000, 60_000, 15_000, 5000] as const;
const FIRST_LEVEL = 1;
/** A quick picture is to be there after this time, in ms. */
const QUICK_MS = 24;
/** Pictures that may be under way at a time. */
const IN_FLIGHT = 2;
/** Lines that are drawn in one frame of the full picture, at first and at the most. */
const FIRST_PORTION = 40_000;
const MOST_PORTION = 400_000;
const FEWEST_PORTION = 5000;
/** So many lines of the layer on top belong to the quick picture. */
const MOST_ON_TOP = 30_000;
/** After so many pictures the next ones are coarser or finer. */
const SLOW_IN_A_ROW = 2;
const FAST_IN_A_ROW = 90;

interface Stretch {
  array: WebGLVertexArrayObject;
  first: number;
  count: number;
}
interface Level {
  array: WebGLVertexArrayObject;
  ends: Uint32Array;
}

/** A picture in space on one canvas. Ask it for one thing a frame, where it is ready. */
export class Space {
  readonly #gl: WebGL2RenderingContext;
  readonly #path: Toolpath;
  readonly #program: WebGLProgram;
  readonly #grid: Grid;
  readonly #blocks: WebGLVertexArrayObject[] = [];
  readonly #levels: Level[] = [];
  readonly #bed: Stretch;
  #preparing: Generator<undefined> | null;
  #level: number = FIRST_LEVEL;
  #portion = FIRST_PORTION;
  readonly #sent: { fence: WebGLSync; at: number; quick: boolean }[] = [];
  #full: Generator<undefined> | null = null;
  readonly #aside: Aside;
  #slow = 0;
  #fast = 0;

  /** Throws where WebGL 2 is missing. */
  constructor(canvas: OffscreenCanvas, path: Toolpath) {
    const gl = canvas.getContext("webgl2", { antialias: false, alpha: false });
    if (gl === null) throw new Error("no WebGL 2");
    this.#gl = gl;
    this.#path = path;
    this.#program = programOf(gl);
    this.#grid = gridOf(path.whole);
    this.#aside = new Aside(gl);
    const bed = bedOf(path.printed, this.#grid);
    this.#bed = { array: this.#upload(bed), first: 0, count: bed.length / VERTEX_BYTES };
    this.#preparing = this.#prepare();
  }

  /** Bring some of the points to the graphics processor; whether all are there. */
  prepare(until: number): boolean {
    while (this.#preparing && performance.now() < until) {
      if (this.#preparing.next().done) this.#preparing = null;
    }
    return this.#preparing === null;
  }

  /** Whether the pictures before are as good as finished: asking for more would only be late. */
  ready(): boolean {
    const gl = this.#gl;
    for (let first = this.#sent[0]; first; first = this.#sent[0]) {
      const signal: unknown = gl.getSyncParameter(first.fence, gl.SYNC_STATUS);
      if (signal !== gl.SIGNALED && !gl.isContextLost()) break;
      gl.deleteSync(first.fence);
      this.#sent.shift();
      this.#learn(performance.now() - first.at, first.quick);
    }
    return this.#sent.length < IN_FLIGHT;
  }

  /** Draw the quick picture. */
  quick(look: Look, size: Size): void {
    this.#full = null;
    const gl = this.#gl;
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    this.#clear(look, size);
    const level = this.#levels[this.#level];
    const end = level?.ends[look.layer - 1] ?? 0;
    if (level && end > 1) this.#draw({ array: level.array, first: 0, count: end });
    const layer = this.#path.layers[look.layer];
    if (layer) {
      const last = this.#lastOf(look);
      for (const one of this.#stretches(Math.max(layer.first, last - MOST_ON_TOP), last)) {
        this.#draw(one);
      }
    }
    this.#send(true);
  }

  /** Draw a portion of the full picture, which is shown once it is whole; whether it is. */
  whole(look: Look, size: Size): boolean {
    this.#full ??= this.#everything(look, size);
    const done = this.#full.next().done === true;
    if (done) {
      this.#aside.show(size);
      this.#full = null;
    }
    this.#send(false);
    return done;
  }

  /** Give back what the graphics processor holds. */
  leave(): void {
    this.#gl.getExtension("WEBGL_lose_context")?.loseContext();
  }

  *#everything(look: Look, size: Size): Generator<undefined> {
    this.#aside.begin(size);
    this.#clear(look, size);
    let drawn = 0;
    for (let from = 0, end = this.#lastOf(look); from < end; ) {
      const to = Math.min(end, from + this.#portion - drawn);
      for (const one of this.#stretches(from, to)) this.#draw(one);
      drawn += to - from;
      from = to;
      if (drawn >= this.#portion) {
        drawn = 0;
        yield;
        this.#aside.begin(size);
        this.#use(look, size);
      }
    }
  }

  /** The point behind the last one that is drawn. */
  #lastOf(look: Look): number {
    const layer = this.#path.layers[look.layer];
    if (!layer) return 0;
    const end = this.#path.endOf(look.layer);
    return layer.first + Math.round((end - layer.first) * look.until);
  }

  /** Have the quick pictures as fine as they can be and still be quick. */
  #learn(took: number, quick: boolean): void {
    const slow = took > QUICK_MS;
    if (!quick) {
      const portion = Math.round(this.#portion * (slow ? 0.6 : 1.4));
      this.#portion = Math.max(FEWEST_PORTION, Math.min(MOST_PORTION, portion));
      return;
    }
    [this.#slow, this.#fast] = slow ? [this.#slow + 1, 0] : [0, this.#fast + 1];
    if (this.#slow < SLOW_IN_A_ROW && this.#fast < FAST_IN_A_ROW) return;
    this.#level = Math.max(0, Math.min(LEVELS.length - 1, this.#level + (slow ? 1 : -1)));
    this.#slow = this.#fast = 0;
  }

  #send(quick: boolean): void {
    const gl = this.#gl;
    const fence = gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
    gl.flush();
    if (fence) this.#sent.push({ fence, at: performance.now(), quick });
  }

  #clear(look: Look, size: Size): void {
    const gl = this.#gl;
    const [red = 0, green = 0, blue = 0] = rgba(look.colours.ground, true);
    gl.viewport(0, 0, size.width, size.height);
    gl.clearColor(red, green, blue, 1);
    gl.enable(gl.DEPTH_TEST);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    this.#use(look, size);
    gl.bindVertexArray(this.#bed.array);
    gl.drawArrays(gl.LINES, 0, this.#bed.count);
  }

  #use(look: Look, size: Size): void {
    const gl = this.#gl;
    gl.useProgram(this.#program);
    const view = viewOf(look.camera, this.#grid, size.width, size.height);
    gl.uniformMatrix4fv(gl.getUniformLocation(this.#program, "view"), false, view);
    const colours = Array.from({ length: COLOURS }, (_, kind) => {
      if (kind === BED) return rgba(look.colours.grid, true);
      return rgba(look.colours.kinds[kind] ?? "#000000", look.shown[kind] === true);
    });
    const ground = rgba(look.colours.ground, true).slice(0, 3);
    gl.uniform3fv(gl.getUniformLocation(this.#program, "ground"), ground);
    gl.uniform4fv(gl.getUniformLocation(this.#program, "colours"), colours.flat());
  }

  #draw(one: Stretch): void {
    this.#gl.bindVertexArray(one.array);
    this.#gl.drawArrays(this.#gl.LINE_STRIP, one.first, one.count);
  }

  /** The vertices of the points from `from` on, before `to`, and of the one before them. */
  *#stretches(from: number, to: number): Generator<Stretch> {
    for (let at = from; at < to; ) {
      const block = Math.floor(at / BLOCK);
      const end = Math.min(to, (block + 1) * BLOCK);
      const array = this.#blocks[block];
      if (array) yield { array, first: at - block * BLOCK, count: end - at + 1 };
      at = end;
    }
  }

  *#prepare(): Generator<undefined> {
    for (const most of LEVELS) {
      const thinned = new Thinned(this.#path, this.#grid, most);
      while (!thinned.done) {
        thinned.step();
        yield;
      }
      const array = this.#upload(thinned.writer.written());
      this.#levels.push({ array, ends: thinned.ends });
    }
    const writer = new VertexWriter(this.#path, this.#grid, BLOCK + 1);
    for (let first = 0; first < this.#path.count; first += BLOCK) {
      yield* this.#block(writer, first);
    }
  }

  /** Every block begins with the last point of the one before it. */
  *#block(writer: VertexWriter, first: number): Generator<undefined> {
    const end = Math.min(first + BLOCK, this.#path.count);
    const kinds = this.#path.kinds[first / BLOCK] as Uint8Array;
    writer.clear();
    writer.add(Math.max(0, first - 1), Math.max(0, first - 1), NOTHING);
    for (let at = first; at < end; at += 1) {
      writer.add(at, Math.max(0, at - 1), kinds[at - first] as number);
      if (at % 8192 === 0) yield;
    }
    this.#blocks.push(this.#upload(writer.written()));
    yield;
  }

  #upload(bytes: Uint8Array): WebGLVertexArrayObject {
    const gl = this.#gl;
    const array = gl.createVertexArray();
    gl.bindVertexArray(array);
    gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ARRAY_BUFFER, bytes, gl.STATIC_DRAW);
    gl.enableVertexAttribArray(0);
    gl.vertexAttribPointer(0, 3, gl.SHORT, false, VERTEX_BYTES, 0);
    gl.enableVertexAttribArray(1);
    gl.vertexAttribIPointer(1, 2, gl.UNSIGNED_BYTE, VERTEX_BYTES, 6);
    return array;
  }
}
