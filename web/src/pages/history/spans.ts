// How far back the figures go: whole days, and no further than the server sums up.
import { midnight } from "./filters";

export const SPANS = ["7", "30", "90"] as const;
export type Span = (typeof SPANS)[number];

const DAY_MS = 86_400_000;

/** When a span begins that ends now. */
export function sinceOf(span: Span, now: Date): string {
  return new Date(now.getTime() - Number(span) * DAY_MS).toISOString();
}

/** The day that it is in this place, as 2027-01-31. */
function dayIn(at: Date): string {
  const parts = [at.getFullYear(), at.getMonth() + 1, at.getDate()];
  return parts.map((one) => String(one).padStart(2, "0")).join("-");
}

/** The first day of a span that ends now, in this place's calendar. */
export function dayOf(span: Span, now: Date): string {
  return dayIn(new Date(sinceOf(span, now)));
}

/** The span that a first day means: the shortest that reaches back to it; 30 days without one. */
export function spanOf(from: string, now: Date): Span {
  const [first, today] = [midnight(from), midnight(dayIn(now))];
  if (first === undefined || today === undefined) return "30";
  // Rounded, since a day may have an hour more or less.
  const days = Math.round((Date.parse(today) - Date.parse(first)) / DAY_MS);
  return SPANS.find((one) => days <= Number(one)) ?? "90";
}
