// About which layer a print is at: by the share of its file that was sent to the printer.
import { useQuery } from "@tanstack/vue-query";
import { computed, type ComputedRef } from "vue";

import { api, data } from "@/api/client";
import { lastUpTo } from "@/ui/lookup";

export interface LayerOf {
  /** Counted from 1. */
  number: number;
  count: number;
}

/** Null where nobody knows: no progress, no marks of a slicer, or the first has not begun. */
export function useLayer(
  fileId: () => string | undefined,
  progress: () => number | null,
): ComputedRef<LayerOf | null> {
  const file = computed(fileId);
  const asked = useQuery({
    queryKey: ["layers", file],
    queryFn: () =>
      data(
        api.GET("/api/v1/files/{file_id}/layers", {
          params: { path: { file_id: file.value ?? "" } },
        }),
      ),
    enabled: () => file.value !== undefined && progress() !== null,
    staleTime: Infinity, // a file's content never changes
  });
  return computed(() => {
    const share = progress();
    const layers = asked.data.value;
    if (share === null || !layers) return null;
    const { size, starts } = layers;
    const place = lastUpTo(starts.length, (at) => starts[at] ?? size, share * size);
    return place < 0 ? null : { number: place + 1, count: starts.length };
  });
}
