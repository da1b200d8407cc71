// The queue page's keys: through the jobs that wait, into one, and why it waits.
import { useKeys } from "@/app/keys/registry";
import { pressIn, rowsOf } from "@/app/keys/rows";

/** Declare them. */
export function useQueueKeys(): void {
  const rows = rowsOf("main [data-job]");
  useKeys("queue.title", [
    { keys: "j", label: "keys.next_job", repeats: true, act: () => rows.step(1) },
    { keys: "k", label: "keys.last_job", repeats: true, act: () => rows.step(-1) },
    { keys: "o", label: "keys.open", act: () => pressIn(rows.present(), "a[href]") },
    { keys: "w", label: "queue.why", act: () => pressIn(rows.present(), "[data-act=why]") },
  ]);
}
