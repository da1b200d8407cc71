// Dates, sizes and plain numbers as people of the chosen language read them.
import { computed } from "vue";
import { useI18n } from "vue-i18n";

const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"] as const;

type Format = Intl.NumberFormat;

export interface Figures {
  /** A day and a time of day; empty where there is none. */
  moment(at: string | null | undefined): string;
  /** The time of day where it is today, with the day where it is not: never read as today's. */
  when(at: string | Date): string;
  /** Whether `when` leaves the day out. */
  isToday(at: string | Date): boolean;
  /** A day; empty where there is none. */
  day(at: string | null | undefined): string;
  /** Bytes in the largest unit that leaves a number above one; a kilobyte has 1000. */
  bytes(size: number): string;
  /** A weight as "12 g"; tenths below ten. */
  grams(value: number): string;
  /** A length as "0.2 mm". */
  mm(value: number): string;
  /** A number with at most `digits` places. */
  number(value: number, digits?: number): string;
  /** 0–1 as per cent with one place. */
  share(value: number | null): string;
}

function isToday(at: string | Date): boolean {
  return new Date(at).toDateString() === new Date().toDateString();
}

/** The formats of the language that is spoken; they change with it. */
export function useFigures(): Figures {
  const { locale: language } = useI18n();
  const locale = computed(
    () => navigator.languages.find((one) => one.startsWith(language.value)) ?? language.value,
  );
  const moment = computed(
    () => new Intl.DateTimeFormat(locale.value, { dateStyle: "medium", timeStyle: "short" }),
  );
  const clock = { hour: "2-digit", minute: "2-digit" } as const;
  const ofToday = computed(() => new Intl.DateTimeFormat(locale.value, clock));
  const ofThisYear = computed(
    () => new Intl.DateTimeFormat(locale.value, { day: "numeric", month: "short", ...clock }),
  );
  function when(at: string | Date): string {
    const then = new Date(at);
    if (isToday(then)) return ofToday.value.format(then);
    const near = then.getFullYear() === new Date().getFullYear() ? ofThisYear : moment;
    return near.value.format(then);
  }
  const day = computed(() => new Intl.DateTimeFormat(locale.value, { dateStyle: "medium" }));
  // A picture that follows a finger writes many numbers a second: their formats are made once.
  const formats = computed(() => ({ locale: locale.value, byDigits: new Map<number, Format>() }));
  function formatOf(digits: number): Format {
    const { locale, byDigits } = formats.value;
    const made =
      byDigits.get(digits) ?? new Intl.NumberFormat(locale, { maximumFractionDigits: digits });
    byDigits.set(digits, made);
    return made;
  }
  const share = computed(
    () => new Intl.NumberFormat(locale.value, { style: "percent", maximumFractionDigits: 1 }),
  );
  function measured(value: number, unit: string, digits: number): string {
    const options = { style: "unit", unit, unitDisplay: "short", maximumFractionDigits: digits };
    return new Intl.NumberFormat(locale.value, options as Intl.NumberFormatOptions).format(value);
  }
  return {
    moment: (at) => (at ? moment.value.format(new Date(at)) : ""),
    when,
    isToday,
    day: (at) => (at ? day.value.format(new Date(at)) : ""),
    bytes(size) {
      const step = size < 1000 ? 0 : Math.min(4, Math.floor(Math.log10(size) / 3));
      return measured(size / 1000 ** step, UNITS[step] ?? "byte", step === 0 ? 0 : 1);
    },
    grams: (value) => measured(value, "gram", value < 10 ? 1 : 0),
    mm: (value) => measured(value, "millimeter", 2),
    number: (value, digits = 0) => formatOf(digits).format(value),
    share: (value) => (value === null ? "–" : share.value.format(value)),
  };
}
