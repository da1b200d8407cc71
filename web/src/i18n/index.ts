// The languages. A language's messages are one file per page; its name is the first part of a key.
// What the first page needs comes first, the rest before any other page, or soon after.
import { useLocalStorage } from "@vueuse/core";
import { nextTick } from "vue";
import { createI18n } from "vue-i18n";

import type { Messages } from "./gather";

export const LANGUAGES = { en: "English", de: "Deutsch" } as const;
export type Language = keyof typeof LANGUAGES;

type Loader = () => Promise<{ default: Messages }>;
const FIRST: Record<Language, Loader> = { en: () => import("./en"), de: () => import("./de") };
const MORE: Record<Language, Loader> = {
  en: () => import("./en-more"),
  de: () => import("./de-more"),
};

const remembered = useLocalStorage<string>("buildplate.language", "", { writeDefaults: false });

export const i18n = createI18n<[Messages], Language, false>({
  legacy: false,
  locale: "en",
  fallbackLocale: false as unknown as Language, // scripts/check-messages.mjs sees that none lacks
  messages: {} as Record<Language, Messages>,
  missingWarn: true,
});

function isLanguage(text: string): text is Language {
  return text in LANGUAGES;
}

/** The language that was chosen here, else the first one of the browser's that there is. */
export function firstLanguage(): Language {
  const wished = [remembered.value, ...navigator.languages.map((one) => one.slice(0, 2))];
  return wished.find(isLanguage) ?? "en";
}

const whole = new Map<Language, Promise<void>>();

/** Have all messages of the language that is spoken; it fails where they cannot be fetched. */
export function speakWholly(language = i18n.global.locale.value): Promise<void> {
  const known = whole.get(language);
  if (known) return known;
  const coming = MORE[language]().then(({ default: messages }) => {
    i18n.global.mergeLocaleMessage(language, messages);
  });
  whole.set(language, coming);
  coming.catch(() => whole.delete(language)); // and is fetched again by whoever needs them next
  return coming;
}

/** Show another language, once its messages are there: all, or those of the first page. */
export async function speak(
  language: Language,
  remember = true,
  much: "all" | "first" = "all",
): Promise<void> {
  if (!i18n.global.availableLocales.includes(language)) {
    i18n.global.setLocaleMessage(language, (await FIRST[language]()).default);
  }
  if (much === "all") await speakWholly(language);
  i18n.global.locale.value = language;
  if (remember) remembered.value = language;
  document.documentElement.lang = language;
  await nextTick();
}
