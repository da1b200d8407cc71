// How a key stands, and when a new one ends.
import type { components } from "@/api/schema";

type Key = Pick<components["schemas"]["KeyOut"], "expires_at" | "revoked_at">;
export type Standing = "revoked" | "expired" | "expires" | "works";

/** How a key stands at `now` (ms). */
export function standing(key: Key, now: number): Standing {
  if (key.revoked_at !== null) return "revoked";
  if (key.expires_at === null) return "works";
  return Date.parse(key.expires_at) <= now ? "expired" : "expires";
}

/** How long a new key may work. */
export const TERMS = ["never", "30", "90", "365"] as const;
export type Term = (typeof TERMS)[number];

/** When a key ends that is made at `now` (ms) for a term in days; null for never. */
export function endOf(term: Term, now: number): string | null {
  return term === "never" ? null : new Date(now + Number(term) * 86_400_000).toISOString();
}
