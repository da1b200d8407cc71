// Sizes, weights and moments of files as people of the chosen language read them.
import { computed } from "vue";
import { useI18n } from "vue-i18n";

export interface FileFormats {
  /** Bytes as "3.4 MB"; a kilobyte has 1000. */
  size(bytes: number): string;
  /** Grams as "12 g"; tenths below ten. */
  grams(grams: number): string;
  /** Millimetres as "0.2 mm". */
  mm(mm: number): string;
  /** A day and a time of day. */
  moment(at: string): string;
  number(value: number): string;
}

const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte"] as const;

/** The formats of the language that is spoken; they change with it. */
export function useFileFormats(): FileFormats {
  const { locale: language, t } = useI18n();
  const locale = computed(
    () => navigator.languages.find((one) => one.startsWith(language.value)) ?? language.value,
  );
  const day = computed(
    () => new Intl.DateTimeFormat(locale.value, { dateStyle: "medium", timeStyle: "short" }),
  );
  function written(value: number, digits: number, more: Intl.NumberFormatOptions = {}): string {
    const options = { maximumFractionDigits: digits, ...more };
    return new Intl.NumberFormat(locale.value, options).format(value);
  }
  return {
    size(bytes) {
      const step = Math.min(UNITS.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
      const value = bytes / 1000 ** step;
      const unit = UNITS[step] ?? "byte";
      return written(value, step && value < 10 ? 1 : 0, { style: "unit", unit });
    },
    grams: (grams) => t("files.grams", { value: written(grams, grams < 10 ? 1 : 0) }),
    mm: (mm) => t("files.mm", { value: written(mm, 2) }),
    moment: (at) => day.value.format(new Date(at)),
    number: (value) => written(value, 0),
  };
}
