// How people described the printers (tags, group, material, place): read once, and anew when the
// live feed tells another version of any of them.
import { useQuery } from "@tanstack/vue-query";
import { computed, watch, type ComputedRef, type Ref, type ShallowRef } from "vue";

import { api, data } from "@/api/client";
import { everyPage } from "@/api/pages";
import type { Problem } from "@/api/problem";
import type { components } from "@/api/schema";
import { useLive } from "@/live/store";

export type Description = components["schemas"]["PrinterOut"];

/** The descriptions of all printers, however many pages they are. */
export function readAll(): Promise<Description[]> {
  return everyPage((query) => data(api.GET("/api/v1/printers", { params: { query } })));
}

export interface Descriptions {
  byId: ComputedRef<ReadonlyMap<string, Description>>;
  /** Whether they have been read, or could not be. */
  settled: Readonly<Ref<boolean>>;
  problem: Readonly<ShallowRef<Problem | null>>;
  tags: ComputedRef<string[]>;
  groups: ComputedRef<string[]>;
  renew(): Promise<unknown>;
}

/** The descriptions of all printers. */
export function useDescriptions(): Descriptions {
  const live = useLive();
  const found = useQuery<Description[], Problem>({
    queryKey: ["printers", "descriptions"],
    queryFn: readAll,
  });
  const all = computed(() => found.data.value ?? []);
  const byId = computed(() => new Map(all.value.map((one) => [one.id, one])));
  const versions = computed(() => {
    let sum = 0;
    for (const one of live.printers.values()) sum += one.version;
    return `${live.printers.size}:${sum}`;
  });
  function isOld(): boolean {
    const known = byId.value;
    if (!live.known || known.size !== live.printers.size) return live.known;
    return [...live.printers.values()].some((one) => known.get(one.id)?.version !== one.version);
  }
  // Who signs out leaves an empty board, of which nobody asks anything. What is being read while
  // the farm says its first word is compared once it is there.
  watch([versions, found.isFetched], () => {
    if (found.isFetched.value && isOld()) void found.refetch({ cancelRefetch: true });
  });

  const sorted = (words: Iterable<string>): string[] =>
    [...new Set(words)].sort((a, b) => a.localeCompare(b));
  return {
    settled: found.isFetched,
    byId,
    problem: found.error,
    tags: computed(() => sorted(all.value.flatMap((one) => one.tags))),
    groups: computed(() => sorted(all.value.flatMap((one) => one.group ?? []))),
    renew: () => found.refetch(),
  };
}
