// The "Why waiting?" answer in the order a person reads it: what concerns all, then each printer.
import type { LivePrinter } from "@/live/frames";

import { OF_THE_PRINT, type Reason } from "./reasons";

export interface PrinterAnswer {
  id: string;
  name: string;
  /** Nothing here keeps the print from it. */
  passes: boolean;
  reasons: readonly Reason[];
}
export interface Answer {
  ofThePrint: readonly Reason[];
  printers: readonly PrinterAnswer[];
  /** How many printers could take it now. */
  passing: number;
}

/** Sort the server's reasons by what they concern. A printer that is not known here is left out. */
export function answerOf(
  reasons: readonly Reason[],
  printers: Iterable<Pick<LivePrinter, "id" | "name" | "number">>,
): Answer {
  const common = new Map<string, Reason>();
  const byPrinter = new Map<string, Reason[]>();
  for (const one of reasons) {
    if (!OF_THE_PRINT.has(one.code)) {
      const known = byPrinter.get(one.printer_id ?? "");
      if (known) known.push(one);
      else byPrinter.set(one.printer_id ?? "", [one]);
    } else if (!common.has(one.code)) common.set(one.code, one);
  }
  const found = [...printers]
    .sort((a, b) => a.number - b.number)
    .map(({ id, name }) => {
      const here = byPrinter.get(id) ?? [];
      return { id, name, passes: here.length === 0, reasons: here };
    });
  const passing = common.size ? 0 : found.filter((one) => one.passes).length;
  return { ofThePrint: [...common.values()], printers: found, passing };
}
