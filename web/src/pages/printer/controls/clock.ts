// The time of day with seconds, as the region writes it.
import { computed } from "vue";
import { useI18n } from "vue-i18n";

export function useClock(): (at: Date | string) => string {
  const { locale: language } = useI18n();
  const format = computed(() => {
    const region = navigator.languages.find((one) => one.startsWith(language.value));
    return new Intl.DateTimeFormat(region ?? language.value, { timeStyle: "medium" });
  });
  return (at) => format.value.format(new Date(at));
}
