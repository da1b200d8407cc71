// How well something fits what was typed: whole, its beginning, a word's beginning, the words'
// initials, somewhere inside, or the letters in their order.

/** Text as it is compared: small letters without marks, "ß" as "ss". */
export function plain(text: string): string {
  return text
    .normalize("NFD")
    .replace(/\p{Diacritic}/gu, "")
    .toLowerCase()
    .replace(/ß/g, "ss")
    .trim();
}

/** The weight of each way to fit; less and less is sure of what was meant. */
const WHOLE = 100;
const BEGINS = 80;
const WORD_BEGINS = 60;
const INITIALS = 45;
const INSIDE = 35;
const IN_ORDER = 20;
/** What is said beside the name counts less than the name. */
const BESIDE = 0.6;
/** One letter is somewhere in nearly everything: it has to begin a word. */
const FEWEST_INSIDE = 2;
const FEWEST_IN_ORDER = 3;

const wordsOf = (text: string): string[] => text.split(/[^\p{L}\p{N}]+/u).filter(Boolean);

/** How many letters lie between those that are found in order; null: not all are. */
function gapOf(word: string, text: string): number | null {
  let at = text.indexOf(word[0] ?? "");
  const from = at;
  for (const letter of word.slice(1)) {
    if (at < 0) return null;
    at = text.indexOf(letter, at + 1);
  }
  return at < 0 ? null : at - from + 1 - word.length;
}

function fit(word: string, text: string): number {
  if (text === word) return WHOLE;
  if (text.startsWith(word)) return BEGINS;
  const words = wordsOf(text);
  if (words.some((one) => one.startsWith(word))) return WORD_BEGINS;
  if (word.length < FEWEST_INSIDE) return 0;
  if (words.map((one) => one[0]).join("").includes(word)) return INITIALS;
  if (text.includes(word)) return INSIDE;
  if (word.length < FEWEST_IN_ORDER) return 0;
  const gap = gapOf(word, text);
  // Letters that are strewn over a long text fit by chance.
  return gap === null || gap > 2 * word.length ? 0 : IN_ORDER / (1 + gap / word.length);
}

/**
 * How well a name, and what is said beside it, fit the query; 0: not at all. Every word of the
 * query has to be found somewhere; of two that fit alike the shorter name is meant.
 */
export function scoreOf(query: string, name: string, beside: readonly string[] = []): number {
  const words = plain(query).split(/\s+/).filter(Boolean);
  if (!words.length) return 0;
  const main = plain(name);
  const others = beside.map(plain);
  let sum = main.startsWith(words.join(" ")) ? 1 : 0;
  for (const word of words) {
    const found = Math.max(fit(word, main), ...others.map((one) => BESIDE * fit(word, one)));
    if (found === 0) return 0;
    sum += found;
  }
  return sum / words.length - Math.min(main.length, 100) / 1000;
}

export interface Ranked {
  label: string;
  /** What else it may be found by. */
  words: readonly string[];
}

/** Those that fit, the best first, at most so many; what fits alike stays in the order given. */
export function best<T extends Ranked>(query: string, all: readonly T[], most: number): T[] {
  return all
    .map((one) => ({ one, score: scoreOf(query, one.label, one.words) }))
    .filter(({ score }) => score > 0)
    .sort((a, b) => b.score - a.score)
    .slice(0, most)
    .map(({ one }) => one);
}
