// A printer's temperatures of the last time: what was written down, and then what is told live.
import { useQuery } from "@tanstack/vue-query";
import { computed, shallowRef, watch, type ComputedRef } from "vue";

import { api } from "@/api/client";
import { asProblem, Problem } from "@/api/problem";
import type { LivePrinter } from "@/live/frames";
import { useLive } from "@/live/store";

import { everyOf, withLive, type Sample } from "./curves";

export interface Samples {
  samples: ComputedRef<readonly Sample[]>;
  known: ComputedRef<boolean>;
  problem: ComputedRef<Problem | null>;
  again: () => void;
}

interface Page {
  told: Sample[];
  next: string | null;
  /** The server's clock, in ms. */
  now: number;
}

async function readPage(params: {
  path: { printer_id: string };
  query: { since: string; limit: number; every: number };
}): Promise<Page> {
  const answer = await api.GET("/api/v1/printers/{printer_id}/temperatures", { params });
  const told = (answer.data?.items ?? []).map((one) => ({
    at: Date.parse(one.at) / 1000,
    temperatures: one.temperatures,
  }));
  const now = Date.parse(answer.response.headers.get("date") ?? "");
  return { told, next: answer.data?.next_cursor ?? null, now };
}

/** All pages of the last `span_s` seconds as written; how far the server's clock is ahead (s). */
async function readFrom(id: string, span_s: number): Promise<{ told: Sample[]; ahead: number }> {
  const told: Sample[] = [];
  const path = { printer_id: id };
  const since_s = Date.now() / 1000 - span_s;
  const every = everyOf(span_s);
  let ahead = 0;
  for (let since: string | null = new Date(since_s * 1000).toISOString(); since !== null; ) {
    const page: Page = await readPage({ path, query: { since, limit: 1000, every } });
    if (!Number.isNaN(page.now)) ahead = (page.now - Date.now()) / 1000;
    told.push(...page.told);
    since = page.next;
  }
  // A second's difference is the header's own grain, no difference of clocks.
  return { told, ahead: Math.abs(ahead) < 2 ? 0 : ahead };
}

/** `span`: how far back, in s. */
export function useSamples(
  id: () => string,
  live: () => LivePrinter | undefined,
  span: () => number,
): Samples {
  const store = useLive();
  const points = shallowRef<Sample[]>([]);
  const query = useQuery({
    queryKey: ["temperatures", computed(id), computed(span)],
    queryFn: () => readFrom(id(), span()),
    staleTime: 0,
    gcTime: 0,
  });
  // A steady heater is told again with another time only, and that is a point too.
  watch(
    () => [live()?.temperatures, live()?.told_at_s],
    () => {
      const printer = live();
      if (printer === undefined || Object.keys(printer.temperatures).length === 0) return;
      const age = store.ageOf(printer);
      if (age === null) return;
      const at = Date.now() / 1000 + (query.data.value?.ahead ?? 0) - age;
      const { temperatures } = printer;
      points.value = withLive(points.value, { at, temperatures }, span());
    },
    { immediate: true },
  );
  // What was told while nobody listened is written down.
  watch([() => store.connection, () => store.anew], ([now, anew], [before, known]) => {
    if (anew !== known || (now === "live" && before === "lost")) void query.refetch();
  });
  const samples = computed(() => {
    const told = query.data.value?.told ?? [];
    const newest = Math.max(points.value.at(-1)?.at ?? 0, told.at(-1)?.at ?? 0);
    const all = [...told, ...points.value].sort((a, b) => a.at - b.at);
    return all.filter((one) => one.at >= newest - span());
  });
  return {
    samples,
    known: computed(() => query.data.value !== undefined),
    problem: computed(() => (query.error.value ? asProblem(query.error.value) : null)),
    again: () => void query.refetch(),
  };
}
