// Which unfinished jobs still need a file: the server deletes none that is needed.
import { computed, type ComputedRef } from "vue";

import { hasEnded } from "@/live/ended";
import type { LiveJob } from "@/live/frames";
import { useLive } from "@/live/store";

/** The unfinished jobs of a file, oldest first. */
export function jobsOf(jobs: Iterable<LiveJob>, fileId: string): LiveJob[] {
  return [...jobs]
    .filter((job) => job.file_id === fileId && !hasEnded(job))
    .sort((left, right) => left.number - right.number);
}

/** The same, live. */
export function useJobsOf(fileId: () => string): ComputedRef<LiveJob[]> {
  const live = useLive();
  return computed(() => jobsOf(live.jobs.values(), fileId()));
}
