// What the parts of the farm page share: provided once by the page.
import { inject, type ComputedRef, type InjectionKey } from "vue";

import type { Formats } from "@/ui/formats";

import type { Descriptions } from "./descriptions";
import type { ViewControl } from "./farm-view";
import type { Standing } from "./roster";
import type { Selection } from "./selection";

export interface FarmContext {
  view: ViewControl;
  formats: Formats;
  standing: ComputedRef<Standing>;
  descriptions: Descriptions;
  selection: Selection;
  /** The printers that are shown, in their order. */
  ids: ComputedRef<readonly string[]>;
  /** Whether the person may tell printers what to do; the server refuses the rest anyway. */
  operates: ComputedRef<boolean>;
  administers: ComputedRef<boolean>;
  nameOf(printerId: string): string;
  /** What a printer prints: the job's name, else the file's; empty where it prints nothing. */
  jobOf(printerId: string): string;
  /** Ask whether to end what this printer prints now. */
  askCancel(printerId: string): void;
  /** Let the person choose a file and print it there. */
  pickFile(printerId: string): void;
  print(files: Iterable<File>, printerId: string): void;
}

export const FARM: InjectionKey<FarmContext> = Symbol("farm");

/** The farm page's context. */
export function useFarm(): FarmContext {
  const found = inject(FARM);
  if (found === undefined) throw new Error("a part of the farm page stands outside of it");
  return found;
}
