// When a job is due, in words and a tone.
import type { Tone } from "@/ui/states";

export interface Due {
  key: "overdue" | "late" | "due";
  /** How long until then, or since then, in s. */
  seconds: number;
  tone: Tone;
}

/** A day: what is due sooner is looked at first. */
const SOON_S = 86_400;

/**
 * How a due time stands at `now` (ms). `late`: the plan says that it will not be met. What has
 * ended is neither: `ended`.
 */
export function dueAt(due: string, now: number, late: boolean, ended = false): Due {
  const left = (new Date(due).getTime() - now) / 1000;
  if (ended) return { key: left < 0 ? "overdue" : "due", seconds: Math.abs(left), tone: "neutral" };
  if (left < 0) return { key: "overdue", seconds: -left, tone: "error" };
  if (late) return { key: "late", seconds: left, tone: "attention" };
  return { key: "due", seconds: left, tone: left < SOON_S ? "active" : "neutral" };
}
