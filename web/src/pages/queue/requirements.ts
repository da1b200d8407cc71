// What a job asks of a printer, in words.
import type { components } from "@/api/schema";

import type { Speech } from "./reasons";

type Requirements = components["schemas"]["RequirementsBody"];

/** Each thing that is asked for; empty where any printer will do. */
export function asksFor(
  asked: Requirements,
  printerName: (id: string) => string,
  { t, number }: Speech,
): string[] {
  const found: string[] = [];
  const say = (key: string, named: Record<string, unknown>): void => {
    found.push(t(`job.${key}`, named));
  };
  for (const one of asked.printers ?? []) say("printer", { name: printerName(String(one)) });
  if (asked.group) say("group", { name: asked.group });
  if (asked.printer_model) say("model", { name: asked.printer_model });
  for (const need of asked.materials ?? []) {
    const grams = typeof need.grams === "number" ? `${number(need.grams)} g` : null;
    found.push([need.type, need.color, need.variant, grams].filter(Boolean).join(" "));
  }
  if (typeof asked.nozzle_mm === "number") say("nozzle", { size: number(asked.nozzle_mm) });
  if (asked.plate) say("plate", { name: asked.plate });
  if (asked.build_volume) {
    const { x, y, z } = asked.build_volume;
    say("size", { size: [x, y, z].map(number).join(" × ") });
  }
  if (asked.tags_all?.length) say("tags", { names: asked.tags_all.join(", ") });
  if (asked.tags_none?.length) say("without_tags", { names: asked.tags_none.join(", ") });
  return found;
}
