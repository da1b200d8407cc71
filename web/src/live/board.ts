// The farm as the frames tell it: a snapshot replaces all, a patch changes what it names.
import { shallowReactive, shallowRef, triggerRef, type ShallowRef } from "vue";

import { hasEnded } from "./ended";
import type { Frame, LiveEvent, LiveJob, LivePrinter, LiveQueue, Patch, Snapshot } from "./frames";

export const NO_QUEUE: LiveQueue = { items: [], total: 0 };
/** Events that are kept for whoever looks; older ones are on the server. */
export const KEPT_EVENTS = 200;

/** Ended jobs that are kept: a page that stays open for weeks does not keep them all. */
export const KEPT_ENDED = 1000;

/** Where one is in the server's numbering; `null` before the first snapshot. */
export interface Place {
  epoch: string;
  seq: number;
}

/**
 * The live maps. Values are never changed in place: a printer that changed is another object, so
 * that a card is drawn again exactly when its own printer changed.
 */
export class Board {
  readonly printers: Map<string, LivePrinter> = shallowReactive(new Map());
  readonly jobs: Map<string, LiveJob> = shallowReactive(new Map());
  readonly queue: ShallowRef<LiveQueue> = shallowRef(NO_QUEUE);
  readonly events: ShallowRef<LiveEvent[]> = shallowRef([]);
  /** How often everything was told anew: what was told between is known to the server alone. */
  readonly anew: ShallowRef<number> = shallowRef(0);
  /** Those that have ended, the last one last. */
  private readonly ended = new Set<string>();
  place: Place | null = null;
  lastEvent = 0;

  /** Take a frame; false where it does not follow from what is known: everything is needed anew. */
  apply(frame: Frame): boolean {
    if (frame.type === "snapshot") {
      this.replace(frame);
      return true;
    }
    if (this.place === null || frame.seq <= this.place.seq || !this.follows(frame)) return false;
    this.change(frame);
    this.place = { epoch: this.place.epoch, seq: frame.seq };
    return true;
  }

  /** Forget everything, as on signing out. */
  clear(): void {
    this.printers.clear();
    this.jobs.clear();
    this.ended.clear();
    this.queue.value = NO_QUEUE;
    this.events.value = [];
    this.place = null;
    this.lastEvent = 0;
  }

  /** Whether a patch names only printers that are known, or tells them whole. */
  private follows(patch: Patch): boolean {
    const told = patch.printers ?? [];
    return told.every((one) => this.printers.has(one.id) || one.name !== undefined);
  }

  private replace(snapshot: Snapshot): void {
    const again = this.place !== null;
    replaceAll(this.printers, snapshot.printers ?? []);
    replaceAll(this.jobs, snapshot.jobs ?? []);
    this.ended.clear();
    for (const job of snapshot.jobs ?? []) this.noteEnd(job);
    this.queue.value = snapshot.queue ?? NO_QUEUE;
    this.place = { epoch: snapshot.epoch, seq: snapshot.seq };
    this.lastEvent = snapshot.last_event ?? 0;
    if (again) this.anew.value += 1;
  }

  private change(patch: Patch): void {
    for (const id of patch.gone ?? []) this.printers.delete(id);
    for (const one of patch.printers ?? []) {
      const known = this.printers.get(one.id);
      this.printers.set(one.id, { ...known, ...one } as LivePrinter);
    }
    for (const id of patch.gone_jobs ?? []) {
      this.jobs.delete(id);
      this.ended.delete(id);
    }
    for (const job of patch.jobs ?? []) {
      this.jobs.set(job.id, job);
      this.noteEnd(job);
    }
    if (patch.queue) this.queue.value = patch.queue;
    if (patch.events?.length) this.tell(patch.events);
  }

  private noteEnd(job: LiveJob): void {
    const { id } = job;
    this.ended.delete(id);
    if (!hasEnded(job)) return;
    this.ended.add(id);
    const [oldest] = this.ended;
    if (this.ended.size <= KEPT_ENDED || oldest === undefined) return;
    this.ended.delete(oldest);
    this.jobs.delete(oldest);
  }

  private tell(events: LiveEvent[]): void {
    const kept = this.events.value;
    kept.push(...events.filter((event) => event.seq > this.lastEvent));
    kept.splice(0, Math.max(0, kept.length - KEPT_EVENTS));
    this.lastEvent = events.at(-1)?.seq ?? this.lastEvent;
    triggerRef(this.events);
  }
}

function replaceAll<T extends { id: string }>(map: Map<string, T>, all: readonly T[]): void {
  const present = new Set(all.map((one) => one.id));
  for (const id of [...map.keys()]) if (!present.has(id)) map.delete(id);
  for (const one of all) map.set(one.id, one);
}
