// The words of a command ("X10.5"), read from bytes: no text is made of them.
export const E = 4;
export const I = 8;
export const J = 9;
export const R = 17;
export const X = 23;
export const Y = 24;
export const Z = 25;

const LETTERS = 26;
const POWERS = Float64Array.from({ length: 23 }, (_, n) => 10 ** n);
/** Digits behind this number would change nothing. */
const ENOUGH = 1e15;
const [TAB, SPACE, OPENING, CLOSING, STAR, PLUS] = [9, 32, 40, 41, 42, 43];
const [MINUS, POINT, ZERO, NINE, SEMICOLON] = [45, 46, 48, 57, 59];

/** The bit of a letter in `given` and `named`. */
export function bit(letter: number): number {
  return 1 << letter;
}

/** A letter's place (A is 0), whether it is large or small; other characters lie outside 0–25. */
export function letterOf(byte: number): number {
  return (byte & 0xdf) - 65;
}

export function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= NINE;
}

/** The words of one line at a time; the last of each letter counts. */
export class Words {
  readonly values = new Float64Array(LETTERS);
  /** The letters that came with a number, and all that came, as bits. */
  given = 0;
  named = 0;

  /** Read what stands between two places of the bytes, up to a comment or a checksum. */
  read(bytes: Uint8Array, from: number, to: number): void {
    this.given = 0;
    this.named = 0;
    let at = from;
    while (at < to) {
      const byte = bytes[at] as number;
      if (byte === SEMICOLON || byte === STAR) return;
      at += 1;
      if (byte === OPENING) {
        while (at < to && bytes[at] !== CLOSING) at += 1;
      } else {
        const letter = letterOf(byte);
        if (letter >= 0 && letter < LETTERS && byte >= 65) at = this.#value(bytes, at, to, letter);
      }
    }
  }

  #value(bytes: Uint8Array, from: number, to: number, letter: number): number {
    this.named |= 1 << letter;
    let at = from;
    let byte = bytes[at] as number;
    while (at < to && (byte === SPACE || byte === TAB)) byte = bytes[++at] as number;
    const negative = byte === MINUS;
    if (at < to && (negative || byte === PLUS)) byte = bytes[++at] as number;
    let whole = 0;
    let digits = 0;
    let places = 0;
    while (at < to && byte >= ZERO && byte <= NINE) {
      whole = whole * 10 + byte - ZERO;
      digits += 1;
      byte = bytes[++at] as number;
    }
    if (at < to && byte === POINT) {
      byte = bytes[++at] as number;
      while (at < to && byte >= ZERO && byte <= NINE) {
        if (whole < ENOUGH) {
          whole = whole * 10 + byte - ZERO;
          places += 1;
        }
        digits += 1;
        byte = bytes[++at] as number;
      }
    }
    if (!digits) return from;
    this.given |= 1 << letter;
    this.values[letter] = (negative ? -whole : whole) / (POWERS[places] as number);
    return at;
  }
}
