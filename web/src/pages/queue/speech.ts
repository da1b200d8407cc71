// What reasons and due times are worded with, in the language that is spoken.
import { computed, type ComputedRef } from "vue";
import { useI18n } from "vue-i18n";

import { useFormats } from "@/ui/formats";

import type { Speech } from "./reasons";

/** The words and numbers of the chosen language; changes with it. */
export function useSpeech(): ComputedRef<Speech> {
  const { t, te, locale } = useI18n();
  const { clock } = useFormats();
  return computed(() => {
    const numbers = new Intl.NumberFormat(locale.value, { maximumFractionDigits: 2 });
    return {
      t: (key, named) => (named ? t(key, named) : t(key)),
      te: (key) => te(key),
      clock,
      number: (value) => numbers.format(value),
    };
  });
}

/** A moment with its date, for whoever wants to know exactly. */
export function useMoments(): (at: string | Date) => string {
  const { locale } = useI18n();
  const format = computed(() => {
    const region = navigator.languages.find((one) => one.startsWith(locale.value));
    return new Intl.DateTimeFormat(region ?? locale.value, {
      dateStyle: "medium",
      timeStyle: "short",
    });
  });
  return (at) => format.value.format(new Date(at));
}
