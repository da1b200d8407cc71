// What the server says, in other languages. It speaks English: its sentences are found again by
// their English form, with what stands in them; where a sentence is not known, its code is.

export interface Catalogue {
  /** English sentence → the same in the other language; both with the same `{parameters}`. */
  sentences: Readonly<Record<string, string>>;
  /** Words that stand in sentences as parameters: states, actions. */
  words: Readonly<Record<string, string>>;
  /** Code of a problem → what happened, and what to do. */
  codes: Readonly<Record<string, readonly string[]>>;
}

interface Pattern {
  shape: RegExp;
  names: readonly string[];
  text: string;
  /** How many letters of it are fixed: the more, the surer. */
  fixed: number;
}

const PARAMETER = /\{(\w+)\}/;
/** Sentences that the server joins, and how. */
const JOINS = ["; ", " and ", ", "] as const;
const KEPT = 500;

function patternOf([english, text]: [string, string]): Pattern {
  const pieces = english.split(new RegExp(PARAMETER, "g"));
  const names = pieces.filter((_, at) => at % 2 === 1);
  const fixed = pieces.filter((_, at) => at % 2 === 0);
  const shape = fixed.map((one) => one.replace(/[$()*+.?[\\\]^{|}/-]/g, "\\$&")).join("(.*)");
  return { shape: new RegExp(`^${shape}$`, "s"), names, text, fixed: fixed.join("").length };
}

/** Finds sentences of a catalogue again. */
export class Translator {
  readonly #catalogue: Catalogue;
  readonly #patterns: readonly Pattern[];
  readonly #found = new Map<string, string | null>();

  constructor(catalogue: Catalogue) {
    this.#catalogue = catalogue;
    this.#patterns = Object.entries(catalogue.sentences)
      .filter(([english]) => PARAMETER.test(english))
      .map(patternOf)
      .sort((a, b) => b.fixed - a.fixed);
  }

  /** The sentence in the other language; null where it is not known. */
  sentence(english: string): string | null {
    const known = this.#found.get(english);
    if (known !== undefined) return known;
    const found = this.#fixed(english) ?? this.#joined(english) ?? this.#filled(english);
    if (this.#found.size >= KEPT) this.#found.clear();
    this.#found.set(english, found);
    return found;
  }

  /** What happened, by the code; null where it is not known. */
  detail(code: string): string | null {
    return this.#ofCode(code)?.[0] ?? null;
  }

  /** What to do, by the code; null where it is not known. */
  hint(code: string): string | null {
    return this.#ofCode(code)?.[1] ?? null;
  }

  #ofCode(code: string): readonly string[] | undefined {
    return Object.hasOwn(this.#catalogue.codes, code) ? this.#catalogue.codes[code] : undefined;
  }

  #fixed(english: string): string | null {
    const { sentences, words } = this.#catalogue;
    for (const fixed of [sentences, words]) {
      if (Object.hasOwn(fixed, english)) return fixed[english] ?? null;
    }
    return null;
  }

  #filled(english: string): string | null {
    for (const { shape, names, text } of this.#patterns) {
      const match = shape.exec(english);
      if (match === null) continue;
      const values = new Map(names.map((name, at) => [name, this.#inner(match[at + 1] ?? "")]));
      return text.replace(/\{(\w+)\}/g, (_, name: string) => values.get(name) ?? "");
    }
    return null;
  }

  /** A parameter may be a sentence itself, or a word; what it is not stays what it is. */
  #inner(value: string): string {
    const [, before = "", rest = ""] = /^(: |)(.*)$/s.exec(value) ?? [];
    return before + ((rest && this.sentence(rest)) || rest);
  }

  /** Several sentences in one, where each of them is known. */
  #joined(english: string): string | null {
    for (const join of JOINS) {
      const parts = english.split(join);
      if (parts.length < 2) continue;
      const found = parts.map((part) => this.#fixed(part) ?? this.#filled(part));
      if (found.every((one) => one !== null)) return found.join(join === " and " ? " und " : join);
    }
    return null;
  }
}
