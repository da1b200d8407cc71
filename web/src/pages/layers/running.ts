// The print that is followed: whether its printer prints this file now, and about where it is.
import { computed, type ComputedRef, type Ref } from "vue";

import type { LivePrinter } from "@/live/frames";
import { usePrintNames } from "@/live/prints";
import { useLive } from "@/live/store";
import type { Layer } from "@/viewer/toolpath";

import { positionAt, type Position } from "./follow";

export interface Running {
  printer: ComputedRef<LivePrinter | undefined>;
  /** Whether the printer's present print is of this file; null until it is known whose it is. */
  isThis: ComputedRef<boolean | null>;
  /** Whether it is further than the file has been read. */
  unread: ComputedRef<boolean>;
  /** About where it is; null where nobody knows. */
  position: ComputedRef<Position | null>;
}

export function useRunning(
  file: () => string,
  printerId: () => string,
  layers: Readonly<Ref<readonly Layer[]>>,
  size: () => number,
  /** How much of the file has been read, in bytes. */
  read: () => number,
): Running {
  const live = useLive();
  const names = usePrintNames();
  const printer = computed(() => live.printers.get(printerId()));
  const isThis = computed(() => {
    if (!live.known && printer.value === undefined) return null;
    const print = printer.value?.print_id ?? null;
    if (print === null) return false;
    const job = live.jobs.get(names.nameOf(print)?.job_id ?? "");
    return job === undefined ? null : job.file_id === file();
  });
  const byte = computed(() => {
    const progress = printer.value?.progress ?? null;
    return !isThis.value || progress === null ? null : progress * size();
  });
  const unread = computed(
    () => byte.value !== null && read() < size() && byte.value >= read(),
  );
  const position = computed(() => {
    // Beyond what was read, its last layer would be taken for the one that is printed.
    if (byte.value === null || unread.value) return null;
    return positionAt(layers.value, byte.value, size());
  });
  return { printer, isThis, unread, position };
}
