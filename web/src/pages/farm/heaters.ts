// Which of a printer's heaters a card shows, and in which order: nozzles, the bed, the rest.
import type { LivePrinter } from "@/live/frames";

export interface Heater {
  name: string;
  /** Whose word we have: the one nozzle, the bed, the chamber; null: the driver's own name. */
  known: "nozzle" | "bed" | "chamber" | null;
  actual: number;
  target: number | null;
}

const ORDER = ["nozzle", "bed", "chamber"] as const;

function knownAs(name: string, nozzles: number): Heater["known"] {
  if (name === "bed" || name === "chamber") return name;
  return nozzles === 1 && isNozzle(name) ? "nozzle" : null;
}

function isNozzle(name: string): boolean {
  return /^(tool|nozzle|extruder)\d*$/.test(name);
}

function place(heater: Heater): number {
  if (heater.known !== null) return ORDER.indexOf(heater.known);
  return isNozzle(heater.name) ? 0 : ORDER.length;
}

/** A printer's heaters as a card shows them. */
export function heatersOf(temperatures: LivePrinter["temperatures"]): Heater[] {
  const names = Object.keys(temperatures);
  const nozzles = names.filter(isNozzle).length;
  return Object.entries(temperatures)
    .map(([name, heat]) => ({ name, known: knownAs(name, nozzles), ...heat }))
    .sort((a, b) => place(a) - place(b) || a.name.localeCompare(b.name));
}
