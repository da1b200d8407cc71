// One printer as a card, a row or a tile shows it. What is made from it is worked out only when
// this printer changes.
import { computed, type ComputedRef } from "vue";
import { useI18n } from "vue-i18n";

import type { LivePrinter } from "@/live/frames";
import { usePrintNames } from "@/live/prints";
import { useLive } from "@/live/store";
import { LOOKS, type Look, type PrinterState } from "@/ui/states";

import { useBrief } from "./brief";
import { useFarm } from "./context";

export interface PrinterView {
  printer: ComputedRef<LivePrinter | undefined>;
  state: ComputedRef<PrinterState>;
  look: ComputedRef<Look>;
  /** The classes of its state's edge and hue. */
  edge: ComputedRef<string[]>;
  /** The name of what it prints. */
  what: ComputedRef<string>;
  /** The file that it prints; null where that is not known. */
  fileId: ComputedRef<string | null>;
  copy: ComputedRef<string>;
  /** What is left of the print and when it ends; empty where nobody knows. */
  left: ComputedRef<string>;
  percent: ComputedRef<string>;
  /** Whole seconds since it said anything, once that is worth a word; else null. */
  age: ComputedRef<number | null>;
}

/** Look at one printer. */
export function usePrinterView(id: () => string): PrinterView {
  const { t } = useI18n();
  const live = useLive();
  const prints = usePrintNames();
  const { formats } = useFarm();

  const printer = computed(() => live.printers.get(id()));
  const { state, edge } = useBrief(id);
  const look = computed(() => LOOKS[state.value]);
  const printId = computed(() => printer.value?.print_id ?? null);
  const print = computed(() => prints.nameOf(printId.value));
  const job = computed(() => live.jobs.get(print.value?.job_id ?? ""));

  const left = computed(() => {
    const seconds = printer.value?.time_left_s ?? null;
    if (seconds === null || printId.value === null) return "";
    const at = formats.clock(new Date(Date.now() + seconds * 1000));
    return t("farm.left", { time: formats.duration(seconds), at });
  });
  return {
    printer,
    state,
    look,
    edge,
    what: computed(() => job.value?.name ?? print.value?.file_name ?? ""),
    fileId: computed(() => job.value?.file_id ?? null),
    copy: computed(() => {
      if (!job.value || !print.value || job.value.copies < 2) return "";
      return t("farm.copy", { copy: print.value.copy_no, copies: job.value.copies });
    }),
    left,
    percent: computed(() => {
      const progress = printer.value?.progress ?? null;
      return progress === null ? "–" : formats.percent(progress);
    }),
    age: computed(() => live.oldAgeOf(printer.value)),
  };
}
