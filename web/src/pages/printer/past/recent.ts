// Old and live events of a printer together.
import type { components } from "@/api/schema";

type Event = components["schemas"]["EventOut"];

/** The whole log stands before it: the first part that is read back from here is the newest. */
export const END = Number.MAX_SAFE_INTEGER;

/** Each once, the newest first. */
export function newestFirst(read: readonly Event[], live: readonly Event[]): Event[] {
  const bySeq = new Map([...read, ...live].map((event) => [event.seq, event]));
  return [...bySeq.values()].sort((a, b) => b.seq - a.seq);
}
