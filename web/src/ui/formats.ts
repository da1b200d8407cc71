// Numbers, times and durations as people of the chosen language read them.
import { computed } from "vue";
import { useI18n } from "vue-i18n";

const MINUTE = 60;
const HOUR = 3600;
const DAY = 86_400;

export interface Formats {
  /** 0–1 as whole per cent, rounded down: 100 % is said of what is done only. */
  percent(share: number): string;
  /** °C, whole degrees. */
  degrees(celsius: number): string;
  /** Seconds as "2 h 05 min"; the two largest units. */
  duration(seconds: number): string;
  /** Seconds as "12 s", "3 min": one unit, for ages. */
  age(seconds: number): string;
  /** The time of day. */
  clock(at: Date): string;
}

/** The formats of the language that is spoken; they change with it. */
export function useFormats(): Formats {
  const { locale: language, t } = useI18n();
  // Words in the chosen language; the clock as the region has it (24 hours in en-GB).
  const locale = computed(
    () => navigator.languages.find((one) => one.startsWith(language.value)) ?? language.value,
  );
  const percent = computed(() => new Intl.NumberFormat(locale.value, { style: "percent" }));
  const whole = computed(() => new Intl.NumberFormat(locale.value, { maximumFractionDigits: 0 }));
  const clock = computed(
    () => new Intl.DateTimeFormat(locale.value, { hour: "2-digit", minute: "2-digit" }),
  );
  return {
    percent: (share) => percent.value.format(Math.floor(share * 100) / 100),
    degrees: (celsius) => t("ui.degrees", { value: whole.value.format(celsius) }),
    duration(seconds) {
      if (seconds < MINUTE) return t("ui.under_a_minute");
      const [days, rest] = [Math.floor(seconds / DAY), seconds % DAY];
      const [hours, minutes] = [Math.floor(rest / HOUR), Math.floor((rest % HOUR) / MINUTE)];
      if (days) return t("ui.days_hours", { days, hours });
      if (hours) return t("ui.hours_minutes", { hours, minutes: String(minutes).padStart(2, "0") });
      return t("ui.minutes", { minutes });
    },
    age(seconds) {
      if (seconds < MINUTE) return t("ui.age_seconds", { value: Math.floor(seconds) });
      if (seconds < HOUR) return t("ui.age_minutes", { value: Math.floor(seconds / MINUTE) });
      if (seconds < DAY) return t("ui.age_hours", { value: Math.floor(seconds / HOUR) });
      return t("ui.age_days", { value: Math.floor(seconds / DAY) });
    },
    clock: (at) => clock.value.format(at),
  };
}
