// What the live socket sends (docs/reference/live.md), as types.
import type { components } from "@/api/schema";

type Schemas = components["schemas"];

/** A printer as it is told live; times are the server's own clock, in seconds. */
export type LivePrinter = Omit<Schemas["StateOut"], "printer_id" | "age_s"> & {
  id: string;
  name: string;
  version: number;
  enabled: boolean;
  maintenance: boolean;
  told_at_s: number | null;
};
export type LiveJob = Schemas["JobOut"];
export type QueueItem = Schemas["QueueOut"];
export type LiveEvent = Schemas["EventOut"];
export interface LiveQueue {
  items: readonly QueueItem[];
  total: number;
}

export interface Snapshot {
  type: "snapshot";
  epoch: string;
  seq: number;
  at_s: number;
  printers?: LivePrinter[];
  jobs?: LiveJob[];
  queue?: LiveQueue;
  last_event?: number;
}

export interface Patch {
  type: "patch";
  seq: number;
  at_s: number;
  printers?: (Partial<LivePrinter> & { id: string })[];
  gone?: string[];
  jobs?: LiveJob[];
  gone_jobs?: string[];
  queue?: LiveQueue;
  events?: LiveEvent[];
}

/** Nothing has changed: the farm rests, and the line is not dead. */
export interface Beat {
  type: "beat";
  at_s: number;
}

export type Frame = Snapshot | Patch;
