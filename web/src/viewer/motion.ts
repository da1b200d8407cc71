// An imagined printer that executes a file and draws what it does: modes, offsets, arcs.
import { NOTHING, OTHER, TRAVEL } from "./kinds";
import type { Toolpath } from "./toolpath";
import { bit, E, I, J, R, X, Y, Z, type Words } from "./words";

const INCH = 25.4;
/** How far a drawn arc may be from the real one, in mm. */
const ARC_MM = 0.01;
const MOST_CORNERS = 720;
const PLACE = bit(X) | bit(Y) | bit(Z);

/**
 * Where it starts is unknown (NaN) until the file says so, and again after homing. G90 and G91
 * leave the extruder's mode (M82, M83) alone, except that G91 makes it relative: the server's scan
 * of a file reads it in the same way.
 */
export class Motion {
  /** What the lines that follow are for. */
  kind: number = OTHER;
  readonly #drawn: Toolpath;
  #x = NaN;
  #y = NaN;
  #z = NaN;
  #e = 0;
  #offsetX = 0;
  #offsetY = 0;
  #offsetZ = 0;
  #scale = 1;
  #relative = false;
  #relativeE = false;
  /** Whether the last point that was drawn is where the nozzle is. */
  #joined = false;

  constructor(drawn: Toolpath) {
    this.#drawn = drawn;
  }

  /** G0 to G3, G20, G21, G28, G90 to G92; the command's line begins at this byte of the file. */
  g(number: number, words: Words, byte: number): void {
    if (number === 1 || number === 0) this.#move(words, byte);
    else if (number === 2 || number === 3) this.#arc(words, number === 2, byte);
    else if (number === 20 || number === 21) this.#scale = number === 20 ? INCH : 1;
    else if (number === 90 || number === 91) this.#relative = number === 91;
    else if (number === 28) this.#home(words.named & PLACE);
    else if (number === 92) this.#rename(words);
  }

  /** M82 and M83. */
  m(number: number): void {
    if (number !== 82 && number !== 83) return;
    this.#relativeE = number === 83;
    this.#e = 0;
  }

  /** G92.1: the offsets are gone. */
  forgetOffsets(): void {
    this.#offsetX = this.#offsetY = this.#offsetZ = 0;
  }

  #move(words: Words, byte: number): void {
    const prints = this.#extrudes(words);
    if (!(words.given & PLACE)) return;
    const [x, y, z] = [this.#x, this.#y, this.#z];
    this.#go(words);
    this.#count(prints, Math.hypot(this.#x - x, this.#y - y, rise(z, this.#z)), z, byte);
    this.#begin(x, y, z);
    this.#draw(this.#x, this.#y, this.#z, prints ? this.kind : TRAVEL);
  }

  #arc(words: Words, clockwise: boolean, byte: number): void {
    const prints = this.#extrudes(words);
    const [x, y, z] = [this.#x, this.#y, this.#z];
    this.#go(words);
    const centre = this.#centre(words, x, y, clockwise);
    const kind = prints ? this.kind : TRAVEL;
    if (centre === null) {
      this.#count(prints, Math.hypot(this.#x - x, this.#y - y, rise(z, this.#z)), z, byte);
      this.#begin(x, y, z);
    } else {
      const [cx, cy] = centre;
      const radius = Math.hypot(x - cx, y - cy);
      const turn = turnOf(x - cx, y - cy, this.#x - cx, this.#y - cy, clockwise);
      this.#count(prints, Math.hypot(radius * turn, rise(z, this.#z)), z, byte);
      this.#begin(x, y, z);
      const begin = Math.atan2(y - cy, x - cx);
      const corners = cornersOf(radius, turn);
      for (let n = 1; n < corners; n += 1) {
        const angle = begin + (turn * n) / corners;
        const height = z + ((this.#z - z) * n) / corners;
        this.#draw(cx + radius * Math.cos(angle), cy + radius * Math.sin(angle), height, kind);
      }
    }
    this.#draw(this.#x, this.#y, this.#z, kind);
  }

  #count(prints: boolean, length: number, from: number, byte: number): void {
    if (!prints) this.#drawn.travel(length);
    else this.#drawn.print(this.#z, length, this.kind, this.#z !== from, byte);
  }

  /** Make sure that the line that is drawn next begins here. */
  #begin(x: number, y: number, z: number): void {
    if (this.#joined || Number.isNaN(x) || Number.isNaN(y)) return;
    this.#drawn.point(x, y, Number.isNaN(z) ? 0 : z, NOTHING);
    this.#joined = true;
  }

  #draw(x: number, y: number, z: number, kind: number): void {
    if (Number.isNaN(x) || Number.isNaN(y)) {
      this.#joined = false;
      return;
    }
    const height = Number.isNaN(z) ? 0 : z;
    this.#drawn.point(x, y, height, this.#joined ? kind : NOTHING);
    if (kind !== TRAVEL) this.#drawn.reach(x, y, height);
    this.#joined = true;
  }

  #go(words: Words): void {
    const { given, values } = words;
    const [scale, relative] = [this.#scale, this.#relative];
    if (given & bit(X)) {
      this.#x = (relative ? this.#x : this.#offsetX) + (values[X] as number) * scale;
    }
    if (given & bit(Y)) {
      this.#y = (relative ? this.#y : this.#offsetY) + (values[Y] as number) * scale;
    }
    if (given & bit(Z)) {
      this.#z = (relative ? this.#z : this.#offsetZ) + (values[Z] as number) * scale;
    }
  }

  #extrudes(words: Words): boolean {
    if (!(words.given & bit(E))) return false;
    const amount = words.values[E] as number;
    if (this.#relativeE) return amount > 0;
    const before = this.#e;
    this.#e = this.#relative ? before + amount : amount;
    return this.#e > before;
  }

  #home(axes: number): void {
    const homed = axes || PLACE;
    if (homed & bit(X)) [this.#x, this.#offsetX] = [NaN, 0];
    if (homed & bit(Y)) [this.#y, this.#offsetY] = [NaN, 0];
    if (homed & bit(Z)) [this.#z, this.#offsetZ] = [NaN, 0];
    if (homed & (bit(X) | bit(Y))) this.#joined = false;
  }

  /** G92: the place where the nozzle is has another name from now on. */
  #rename(words: Words): void {
    const { given, values } = words;
    if (given & bit(E) && !this.#relativeE) this.#e = values[E] as number;
    const said = (letter: number): number => (values[letter] as number) * this.#scale;
    if (given & bit(X)) {
      if (Number.isNaN(this.#x)) this.#x = said(X); // nobody knows better
      this.#offsetX = this.#x - said(X);
    }
    if (given & bit(Y)) {
      if (Number.isNaN(this.#y)) this.#y = said(Y);
      this.#offsetY = this.#y - said(Y);
    }
    if (given & bit(Z)) {
      if (Number.isNaN(this.#z)) this.#z = said(Z);
      this.#offsetZ = this.#z - said(Z);
    }
  }

  /** The centre of an arc from here to where the nozzle is now; null where it says none. */
  #centre(words: Words, x: number, y: number, clockwise: boolean): [number, number] | null {
    const { given, values } = words;
    const said = (letter: number): number =>
      given & bit(letter) ? (values[letter] as number) * this.#scale : 0;
    let [cx, cy] = [x + said(I), y + said(J)];
    if (!(given & (bit(I) | bit(J)))) {
      if (!(given & bit(R))) return null;
      const radius = said(R);
      const [dx, dy] = [this.#x - x, this.#y - y];
      const chord = Math.hypot(dx, dy);
      if (!(chord > 0)) return null;
      const height = Math.sqrt(Math.max(radius * radius - (chord * chord) / 4, 0));
      const side = (height / chord) * (clockwise === radius > 0 ? -1 : 1);
      [cx, cy] = [x + dx / 2 - dy * side, y + dy / 2 + dx * side];
    }
    return Number.isFinite(cx) && Number.isFinite(cy) && Number.isFinite(this.#x + this.#y)
      ? [cx, cy]
      : null;
  }
}

/** From one height to another; none where both are the same unknown one. */
function rise(from: number, to: number): number {
  return Number.isNaN(from) && Number.isNaN(to) ? 0 : to - from;
}

/** How far an arc turns from one spoke to another, in radians; a full turn where they are one. */
function turnOf(x0: number, y0: number, x1: number, y1: number, clockwise: boolean): number {
  const angle = Math.atan2(x0 * y1 - y0 * x1, x0 * x1 + y0 * y1);
  if (clockwise) return angle < 0 ? angle : angle - 2 * Math.PI;
  return angle > 0 ? angle : angle + 2 * Math.PI;
}

/** In how many straight lines an arc is drawn. */
function cornersOf(radius: number, turn: number): number {
  if (!(radius > ARC_MM)) return 1;
  const step = 2 * Math.acos(1 - ARC_MM / radius);
  return Math.min(MOST_CORNERS, Math.max(1, Math.ceil(Math.abs(turn) / step)));
}
