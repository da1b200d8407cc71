// Reads G-code in pieces of any size: cuts lines, has an imagined printer execute them.
import { kindOf } from "./kinds";
import { Motion } from "./motion";
import { remarkOf } from "./remarks";
import type { Toolpath } from "./toolpath";
import { isDigit, letterOf, Words } from "./words";

/** Bytes of a line that are read; no printer takes a longer one. */
export const LONGEST_LINE = 1 << 14;
/** Bytes of a comment in which something may be said. */
const LONGEST_REMARK = 80;
const [TAB, NEWLINE, RETURN, SPACE, POINT, SEMICOLON] = [9, 10, 13, 32, 46, 59];
const [G, M, N] = [6, 12, 13];

/** The result depends on the content alone, never on the pieces in which it came. */
export class Reader {
  readonly #drawn: Toolpath;
  readonly #motion: Motion;
  readonly #words = new Words();
  readonly #kinds = new Map<string, number>();
  /** The beginning of a line whose end has not come yet. */
  readonly #rest = new Uint8Array(LONGEST_LINE);
  #kept = 0;
  /** Bytes that came before the present piece, and where the present line begins among all. */
  #before = 0;
  #line = 0;
  /** Lines that were commands of a printer. */
  commands = 0;

  constructor(drawn: Toolpath) {
    this.#drawn = drawn;
    this.#motion = new Motion(drawn);
  }

  /** Take the next bytes. */
  feed(piece: Uint8Array): void {
    let from = 0;
    let end = piece.indexOf(NEWLINE);
    if (end >= 0 && this.#kept) {
      this.#keep(piece, 0, end);
      this.#read(this.#rest, 0, this.#kept);
      this.#kept = 0;
      from = end + 1;
      end = piece.indexOf(NEWLINE, from);
    }
    while (end >= 0) {
      this.#line = this.#before + from;
      this.#read(piece, from, Math.min(end, from + LONGEST_LINE));
      from = end + 1;
      end = piece.indexOf(NEWLINE, from);
    }
    if (!this.#kept) this.#line = this.#before + from;
    this.#keep(piece, from, piece.length);
    this.#before += piece.length;
  }

  /** There is nothing more: the last line may have no end. */
  finish(): void {
    this.#read(this.#rest, 0, this.#kept);
    this.#kept = 0;
  }

  #keep(piece: Uint8Array, from: number, to: number): void {
    const room = Math.min(to - from, LONGEST_LINE - this.#kept);
    this.#rest.set(piece.subarray(from, from + room), this.#kept);
    this.#kept += room;
  }

  #read(bytes: Uint8Array, begin: number, end: number): void {
    let from = begin;
    let to = end;
    while (to > from && bytes[to - 1] === RETURN) to -= 1;
    while (from < to && (bytes[from] === SPACE || bytes[from] === TAB)) from += 1;
    if (from >= to) return;
    if (bytes[from] === SEMICOLON) this.#comment(bytes, from + 1, to);
    else this.#command(bytes, from, to);
  }

  #comment(bytes: Uint8Array, from: number, to: number): void {
    if (to - from > LONGEST_REMARK) return; // pictures, for example
    const remark = remarkOf(String.fromCharCode(...bytes.subarray(from, to)));
    if (remark === null) return;
    if (remark.says === "layer") this.#drawn.mark(remark.style, remark.z, this.#line);
    else if (remark.says === "height") this.#drawn.height(remark.z);
    else this.#motion.kind = this.#kindOf(remark.word);
  }

  #kindOf(word: string): number {
    let kind = this.#kinds.get(word);
    if (kind === undefined) {
      kind = kindOf(word);
      if (this.#kinds.size < 1000) this.#kinds.set(word, kind);
    }
    return kind;
  }

  #command(bytes: Uint8Array, begin: number, to: number): void {
    let from = begin;
    let letter = letterOf(bytes[from] as number);
    if (letter === N && isDigit(bytes[from + 1] as number)) {
      from += 1;
      while (from < to && (isDigit(bytes[from] as number) || bytes[from] === SPACE)) from += 1;
      letter = from < to ? letterOf(bytes[from] as number) : -1;
    }
    if (letter !== G && letter !== M) return;
    let at = from + 1;
    while (at < to && bytes[at] === SPACE) at += 1;
    let number = 0;
    const first = at;
    while (at < to && isDigit(bytes[at] as number)) {
      number = number * 10 + (bytes[at] as number) - 48;
      at += 1;
    }
    if (at === first) return;
    this.commands += 1;
    if (letter === M) this.#motion.m(number);
    else if (at < to && bytes[at] === POINT) {
      if (number === 92) this.#motion.forgetOffsets();
    } else if (number < 4 || (number >= 20 && number < 93)) {
      this.#words.read(bytes, at, to);
      this.#motion.g(number, this.#words, this.#line);
    }
  }
}
