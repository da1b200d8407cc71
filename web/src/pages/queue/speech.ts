// What reasons are worded with, in the language that is spoken.
import { useI18n } from "vue-i18n";

import { useFigures } from "@/ui/figures";

import type { Speech } from "./reasons";

/** The words and numbers of the chosen language; they change with it. */
export function useSpeech(): Speech {
  const { t, te } = useI18n();
  const { number, when, isToday } = useFigures();
  return {
    t: (key, named) => (named ? t(key, named) : t(key)),
    te: (key) => te(key),
    when,
    isToday,
    number: (value) => number(value, 2),
  };
}
