// Who is shown and in which order. Every result stays the same object until it really differs, so
// that a tick in which only temperatures moved draws nothing but the cards that moved.
import { computed, type ComputedRef } from "vue";

import type { LivePrinter } from "@/live/frames";
import { LOOKS, stateOf, type PrinterState } from "@/ui/states";

import type { Description } from "./descriptions";
import type { FarmView, SortKey } from "./farm-view";

export type Standing = ReadonlyMap<string, PrinterState>;

/** The states in which a printer waits for a person, the most pressing first. */
export const NEEDS: readonly PrinterState[] = [
  "needs_attention",
  "halted",
  "auth_required",
  "offline",
  "bed_occupied",
  "bed_unknown",
  "paused",
];

export function sameMap<K, V>(one: ReadonlyMap<K, V>, other: ReadonlyMap<K, V>): boolean {
  if (one.size !== other.size) return false;
  const theirs = other.entries();
  for (const [key, value] of one) {
    const next = theirs.next().value;
    if (next === undefined || next[0] !== key || next[1] !== value) return false;
  }
  return true;
}

export function sameList(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((id, at) => other[at] === id);
}

/** A list that is another object only when it differs. */
export function steadyList(make: () => readonly string[]): ComputedRef<readonly string[]> {
  return computed<readonly string[]>((old) => {
    const found = make();
    return old !== undefined && sameList(old, found) ? old : found;
  });
}

/** Every printer's one word, in the order of their numbers. */
export function useStanding(printers: ReadonlyMap<string, LivePrinter>): ComputedRef<Standing> {
  return computed<Standing>((old) => {
    const all = [...printers.values()].sort((a, b) => a.number - b.number);
    const found = new Map(all.map((one) => [one.id, stateOf(one)]));
    return old !== undefined && sameMap(old, found) ? old : found;
  });
}

/** How many printers are in each state; states without any are left out, unless they are wanted. */
export function countsOf(
  standing: Standing,
  ids: readonly string[],
  wanted: readonly PrinterState[],
): [PrinterState, number][] {
  const counts = new Map<PrinterState, number>();
  for (const id of ids) {
    const state = standing.get(id);
    if (state !== undefined) counts.set(state, (counts.get(state) ?? 0) + 1);
  }
  return (Object.keys(LOOKS) as PrinterState[])
    .filter((state) => counts.has(state) || wanted.includes(state))
    .map((state) => [state, counts.get(state) ?? 0]);
}

/** Who waits for a person, the most pressing first. */
export function needsOf(standing: Standing): string[] {
  return [...standing]
    .filter(([, state]) => NEEDS.includes(state))
    .sort(([, a], [, b]) => NEEDS.indexOf(a) - NEEDS.indexOf(b))
    .map(([id]) => id);
}

/** Whether a printer has all the words that were searched for, in its name or description. */
export function matches(
  wanted: Pick<FarmView, "search" | "tag" | "group">,
  name: string,
  about: Description | undefined,
  job: string,
): boolean {
  if (wanted.tag !== "" && !about?.tags.includes(wanted.tag)) return false;
  if (wanted.group !== "" && about?.group !== wanted.group) return false;
  if (wanted.search === "") return true;
  const hay = [name, job, about?.group, about?.location, about?.model.name, ...(about?.tags ?? [])]
    .join("\n")
    .toLocaleLowerCase();
  return wanted.search
    .toLocaleLowerCase()
    .split(/\s+/)
    .every((word) => hay.includes(word));
}

const STATES = Object.keys(LOOKS);

/** What a printer is sorted by; null goes last whichever way it is sorted. */
export function sortValue(
  key: SortKey,
  printer: LivePrinter,
  job: string,
): string | number | null {
  switch (key) {
    case "number":
      return printer.number;
    case "name":
      return printer.name;
    case "state":
      return STATES.indexOf(stateOf(printer));
    case "job":
      return job || null;
    case "progress":
      return printer.print_id === null ? null : printer.progress;
    case "left":
      return printer.print_id === null ? null : printer.time_left_s;
  }
}

/** Compare two sort values; nulls last. */
export function compareValues(
  a: string | number | null,
  b: string | number | null,
  down: boolean,
  collator: Intl.Collator,
): number {
  if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
  const turn = down ? -1 : 1;
  if (typeof a === "number" && typeof b === "number") return turn * (a - b);
  return turn * collator.compare(String(a), String(b));
}
