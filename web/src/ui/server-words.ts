// The server's words in the language that is spoken; what nobody has worded is a quotation.
import { shallowReactive } from "vue";
import { useI18n } from "vue-i18n";

import { NOT_OURS, UNREACHABLE, type Problem } from "@/api/problem";
import type { Language } from "@/i18n";
import { Translator, type Catalogue } from "@/i18n/server/catalogue";

/** The server speaks English; the others come when they are needed. */
const LOADERS: Partial<Record<Language, () => Promise<{ default: Catalogue }>>> = {
  de: () => import("@/i18n/server/de"),
};
const translators = shallowReactive(new Map<string, Translator>());
const asked = new Set<string>();

/** Fetch the server's words in this language, once. */
export async function learn(language: Language): Promise<void> {
  const load = LOADERS[language];
  if (load === undefined || asked.has(language)) return;
  asked.add(language);
  try {
    translators.set(language, new Translator((await load()).default));
  } catch {
    asked.delete(language); // it is gone from the server: the offer to reload is shown by then
  }
}

/** A text, and whether it is a quotation: the server's own words, or a printer's. */
export interface Said {
  text: string;
  quoted: boolean;
}

export interface ServerWords {
  /** A sentence of the server's; one that nobody has worded is quoted. */
  say(english: string): Said;
  /** What happened; with `more`, which is quoted, where our words leave something out. */
  happened(problem: Told): Said & { more: string };
  /** What to do. */
  todo(problem: Told): Said;
}

/** What a problem tells: that of an answer, or what keeps a printer from being used. */
export type Told = Pick<Problem, "code" | "detail" | "hint"> & { status?: number };

/** The server's words in the language that is spoken; they change with it. */
export function useServerWords(): ServerWords {
  const { t, te, locale } = useI18n();

  function translator(): Translator | undefined {
    const found = translators.get(locale.value);
    if (found === undefined) void learn(locale.value as Language);
    return found;
  }
  const foreign = (): boolean => locale.value !== "en";

  function worded(code: string, part: "detail" | "hint"): string | null {
    const key = `problem.${code}.${part}`;
    return te(key) ? t(key) : null;
  }

  function ours({ code, status }: Told): string | null {
    if (code === UNREACHABLE) return t("ui.unreachable");
    if (code === NOT_OURS) return t("ui.not_understood", { status: status ?? 0 });
    return worded(code, "detail");
  }

  return {
    say(english) {
      const text = translator()?.sentence(english) ?? null;
      return { text: text ?? english, quoted: text === null && foreign() && english !== "" };
    },
    happened(problem) {
      const known = ours(problem) ?? translator()?.sentence(problem.detail) ?? null;
      if (known !== null) return { text: known, quoted: false, more: "" };
      const general = translator()?.detail(problem.code) ?? null;
      if (general === null) return { text: problem.detail, quoted: foreign(), more: "" };
      return { text: general, quoted: false, more: problem.detail };
    },
    todo({ code, hint }) {
      const known = worded(code, "hint") ?? (hint && translator()?.sentence(hint)) ?? null;
      const text = known || translator()?.hint(code) || hint;
      if (!text) return { text: t("ui.try_again"), quoted: false };
      return { text, quoted: text === hint && text !== known && foreign() };
    },
  };
}
