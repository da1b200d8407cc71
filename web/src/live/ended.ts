// Which jobs have ended: nothing of them is to come.
import type { LiveJob } from "./frames";

const ENDED: ReadonlySet<LiveJob["state"]> = new Set(["completed", "failed", "cancelled"]);

/** Whether nothing of the job is to come, as it stands. */
export function hasEnded({ state }: Pick<LiveJob, "state">): boolean {
  return ENDED.has(state);
}
