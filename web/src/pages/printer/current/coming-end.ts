// How a print will end that the printer still holds: somebody asked for it, or it was seen to end
// and the printer has yet to answer once more.
import { useQuery } from "@tanstack/vue-query";
import { computed, watch, type ComputedRef } from "vue";

import { api, data } from "@/api/client";
import type { components } from "@/api/schema";
import { useLive } from "@/live/store";

const TOLD: readonly string[] = ["print.cancel_wanted", "print.exit", "print.exit_abandoned"];

export interface ComingEnd {
  /** Whether a cancel is asked for. */
  wished: ComputedRef<boolean>;
  /** As what it has ended; null as long as it has not. */
  verdict: ComputedRef<components["schemas"]["PrintOut"]["wanted_verdict"]>;
  /** Read it anew; resolves once it is known. */
  look(): Promise<void>;
}

/** `printId` is of the print that the printer holds; the live frames do not tell its end. */
export function useComingEnd(printId: () => string | null): ComingEnd {
  const live = useLive();
  const id = computed(printId);
  const asked = useQuery({
    queryKey: ["print", id],
    queryFn: () => {
      const path = { params: { path: { print_id: id.value ?? "" } } };
      return data(api.GET("/api/v1/prints/{print_id}", path));
    },
    enabled: () => id.value !== null,
  });
  const look = async (): Promise<void> => {
    if (id.value !== null) await asked.refetch();
  };
  /** The last that the log says of an end of this print, or of a cancel of the whole job. */
  const told = computed(() => {
    const job = asked.data.value?.job_id;
    return live.events.findLast(({ kind, print_id, job_id }) =>
      kind === "job.cancelled" ? job_id === job : TOLD.includes(kind) && print_id === id.value,
    )?.seq;
  });
  watch(told, (seq) => seq !== undefined && void look());
  // The event may have been told while nobody listened.
  watch(() => live.anew, look);
  const wished = computed(() => asked.data.value?.wants_cancel ?? false);
  const verdict = computed(() => asked.data.value?.wanted_verdict ?? null);
  return { wished, verdict, look };
}
