// Sums of the past as bars: how prints ended, how printers spent their time, what was late.
import type { components } from "@/api/schema";
import type { Bar } from "@/ui/BarPlot.vue";

type Schemas = components["schemas"];
export type Outcome = Schemas["OutcomeOut"];
export type Spent = Schemas["SpentOut"];
export type Due = Schemas["PromiseOut"];

/** How prints ended, in the order of the bars' parts. */
export const ENDS = ["completed", "failed", "cancelled", "not_started"] as const;
/** What printers did, in the order of the bars' parts. */
export const TIMES = ["printing", "foreign", "waiting", "idle", "offline"] as const;

export interface Words {
  /** The name of a key; null is what nobody knows. */
  name: (key: string | null) => string;
  share: (value: number | null) => string;
}

/** Outcomes as bars; `said` is the share that succeeded. */
export function outcomeBars(items: readonly Outcome[], words: Words): Bar[] {
  return items.map((one) => ({
    key: one.key ?? "",
    label: words.name(one.key),
    values: ENDS.map((end) => one[end]),
    said: words.share(one.success_rate),
  }));
}

/** Reasons as bars, whatever the end; `said` is how many. */
export function reasonBars(
  items: readonly Outcome[],
  words: Words,
  number: (value: number) => string,
): Bar[] {
  return items.map((one) => ({
    key: one.key ?? "",
    label: words.name(one.key),
    values: [one.failed, one.cancelled, one.not_started],
    said: number(one.failed + one.cancelled + one.not_started),
  }));
}

/** Time spent as bars, in seconds. `said` is the utilisation: the share of our own prints. */
export function timeBars(items: readonly Spent[], words: Words): Bar[] {
  return items.map((one) => ({
    key: one.key ?? "",
    label: words.name(one.key),
    values: TIMES.map((time) => one[`${time}_s`]),
    said: words.share(one.utilization),
  }));
}

/** Whether anything is known of a time: days before the farm came are left out. */
export function wasThere(one: Spent): boolean {
  const known = one.printing_s + one.foreign_s + one.idle_s + one.waiting_s + one.offline_s;
  return known + one.disabled_s + one.unwatched_s > 0;
}

/** How late jobs were, in classes that people think in: the upper bound of each in seconds. */
export const LATE = [
  { key: "in_time", most: 0 },
  { key: "hour", most: 3600 },
  { key: "day", most: 86_400 },
  { key: "week", most: 7 * 86_400 },
  { key: "more", most: Infinity },
] as const;

/** How many jobs are of each class: made ones, and those that are not yet. */
export function lateBars(
  items: readonly Due[],
  name: (key: string) => string,
  number: (value: number) => string,
): Bar[] {
  const counts = LATE.map(() => [0, 0]);
  for (const one of items) {
    const at = LATE.findIndex((bound) => one.late_s <= bound.most);
    const [made = 0, open = 0] = counts[at] ?? [];
    counts[at] = one.finished_at === null ? [made, open + 1] : [made + 1, open];
  }
  return LATE.map((bound, index) => {
    const values = counts[index] ?? [0, 0];
    return {
      key: bound.key,
      label: name(bound.key),
      values,
      said: number(values.reduce((sum, one) => sum + one, 0)),
    };
  });
}
