// One printer as its page reads it: the description from the API, read anew when its version grows.
import { useQuery, useQueryClient } from "@tanstack/vue-query";
import { computed, watch, type ComputedRef, type Ref } from "vue";

import { api, data } from "@/api/client";
import { asProblem, Problem } from "@/api/problem";
import type { components } from "@/api/schema";
import type { LivePrinter } from "@/live/frames";
import { useLive } from "@/live/store";

export type Printer = components["schemas"]["PrinterOut"];
export type PrinterPatch = components["schemas"]["PrinterPatch"];

export interface OnePrinter {
  /** As people described it; undefined until it is known. */
  described: ComputedRef<Printer | undefined>;
  /** As it is now; undefined before the first frame, and once it is out of service. */
  live: ComputedRef<LivePrinter | undefined>;
  problem: ComputedRef<Problem | null>;
  again: () => void;
}

/** `reference`: an id or a number. */
export function usePrinter(reference: Ref<string>): OnePrinter {
  const store = useLive();
  const query = useQuery({
    queryKey: ["printer", reference],
    queryFn: () => data(api.GET("/api/v1/printers/{printer_id}", pathOf(reference.value))),
    retry: false,
  });
  const described = computed(() => query.data.value);
  const live = computed(() => store.printers.get(described.value?.id ?? reference.value));
  watch(
    () => [live.value?.version, live.value === undefined],
    () => store.known && void query.refetch(),
  );
  return {
    described,
    live,
    problem: computed(() => (query.error.value ? asProblem(query.error.value) : null)),
    again: () => void query.refetch(),
  };
}

export function pathOf(id: string) {
  return { params: { path: { printer_id: id } } };
}

/** Change a printer's description, from the version that was seen: 412 where that is old. */
export function useChange(): (seen: Printer, patch: PrinterPatch) => Promise<void> {
  const queries = useQueryClient();
  return async (seen, patch) => {
    const { params } = pathOf(seen.id);
    const header = { "if-match": `"${seen.version}"` };
    await api.PATCH("/api/v1/printers/{printer_id}", {
      params: { ...params, header },
      body: patch,
    });
    await queries.invalidateQueries({ queryKey: ["printer"] });
  };
}
