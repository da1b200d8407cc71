// What of the past is asked for: it stands in the address, so that it can be kept and sent.
import type { LocationQuery } from "vue-router";

import type { components, paths } from "@/api/schema";

export type Ending = components["schemas"]["EndingOut"];
export type EndState = Ending["state"];
export const END_STATES: readonly EndState[] = ["completed", "failed", "cancelled", "not_started"];

export interface Filters {
  state: EndState | "";
  printer: string;
  file: string;
  text: string;
  /** Days of this place's calendar, as 2027-01-31; the last one is meant with its evening. */
  from: string;
  to: string;
}
type Asked = NonNullable<paths["/api/v1/history"]["get"]["parameters"]["query"]>;

const DAY = /^\d{4}-\d{2}-\d{2}$/;
const ID = /^([0-9]{1,15}|[0-9a-f-]{36})$/;

function text(value: unknown, pattern: RegExp): string {
  return typeof value === "string" && pattern.test(value) ? value : "";
}

/** The filters of an address; what makes no sense there is left out. */
export function filtersOf(query: LocationQuery): Filters {
  const state = END_STATES.find((one) => one === query["state"]) ?? "";
  return {
    state,
    printer: text(query["printer"], ID),
    file: text(query["file"], ID),
    text: text(query["text"], /^.{1,200}$/),
    from: text(query["from"], DAY),
    to: text(query["to"], DAY),
  };
}

/** Midnight at the beginning of a day here, `later` days on; undefined where there is none. */
export function midnight(day: string, later = 0): string | undefined {
  const [year, month, date] = day.split("-").map(Number);
  if (!year || !month || !date) return undefined;
  const at = new Date(year, month - 1, date + later);
  return Number.isNaN(at.getTime()) ? undefined : at.toISOString();
}

/** The filters as the API takes them. */
export function asked(filters: Filters): Asked {
  const query: Asked = {};
  if (filters.state) query.state = filters.state;
  if (filters.printer) query.printer = filters.printer;
  if (filters.file) query.file = filters.file;
  if (filters.text) query.text = filters.text;
  const [since, until] = [midnight(filters.from), midnight(filters.to, 1)];
  if (since) query.since = since;
  if (until) query.until = until;
  return query;
}

/** Where the same list is as CSV. */
export function exportAddress(filters: Filters): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(asked(filters))) parameters.set(name, String(value));
  const query = parameters.toString();
  return `/api/v1/history/export${query ? `?${query}` : ""}`;
}
