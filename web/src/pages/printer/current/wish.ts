// Whether the end of a print is wished: somebody asked for it, and the printer has yet to stop.
import { useQuery } from "@tanstack/vue-query";
import { computed, watch, type ComputedRef } from "vue";

import { api, data } from "@/api/client";
import { useLive } from "@/live/store";

const WISHED = "print.cancel_wanted";

export interface CancelWish {
  wished: ComputedRef<boolean>;
  /** Read it anew; resolves once it is known. */
  look(): Promise<void>;
}

/** `printId` is of the print that the printer holds; the live frames do not tell its wish. */
export function useCancelWish(printId: () => string | null): CancelWish {
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
  /** The last that the log says of a cancel of this print, or of the whole job. */
  const told = computed(() => {
    const job = asked.data.value?.job_id;
    return live.events.findLast(({ kind, print_id, job_id }) =>
      kind === "job.cancelled" ? job_id === job : kind === WISHED && print_id === id.value,
    )?.seq;
  });
  watch(told, (seq) => seq !== undefined && void look());
  // The event may have been told while nobody listened.
  watch(() => live.anew, look);
  const wished = computed(() => asked.data.value?.wants_cancel ?? false);
  return { wished, look };
}
