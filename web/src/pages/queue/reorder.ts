// Moves a job in the queue: the server is asked, and what it made of it is said when it is seen.
import { useEventListener } from "@vueuse/core";
import { ref, shallowRef, watch, type ComputedRef, type Ref, type ShallowRef } from "vue";
import { useI18n } from "vue-i18n";

import { api } from "@/api/client";
import type { Problem } from "@/api/problem";
import { useNotices } from "@/ui/notices";
import { usePending } from "@/ui/pending";
import { useServerWords } from "@/ui/server-words";
import { useUndo } from "@/ui/undo";

import {
  followersAt, movesBack, movesTo, peersOf, placeAhead, placeBeside, type Move, type QueueRow,
} from "./rows";

export interface Reorder {
  /** Why a job was not moved, since something was asked for last while nothing moved. */
  problem: Readonly<ShallowRef<Problem | null>>;
  /** The job that is being moved by a call that has not been answered, or not been seen yet. */
  moving: Readonly<Ref<string | null>>;
  /** One place up (-1) or down (1). */
  step(jobId: string, by: -1 | 1): void;
  /** To the place of another one of its priority. */
  drop(jobId: string, onto: string): void;
}

/** The place among those of its priority, from 0, by the order that there is by then. */
type Place = () => number;

interface Target {
  jobId: string;
  place: Place;
}

/** So long the new order may take to be seen before only its taking is said, in ms. */
const SEEN_WITHIN_MS = 3000;

/** Ask the server for these moves, one after the other; each one that it took is counted. */
async function call(moves: readonly Move[], took?: () => void): Promise<void> {
  for (const { job, before } of moves) {
    await api.POST("/api/v1/queue/reorder", { body: { job_id: job, before } });
    took?.();
  }
}

/** What is asked for while a job moves: the last place for each job, in the order of asking. */
function wishesOf(waits: (jobId: string) => boolean) {
  const places = new Map<string, Place>();
  return {
    add(jobId: string, place: Place): void {
      places.delete(jobId); // what is asked for anew is asked for last
      places.set(jobId, place);
    },
    forget: (jobId: string) => void places.delete(jobId),
    placeOf: (jobId: string) => places.get(jobId)?.(),
    isNext: (jobId: string) => places.keys().next().value === jobId,
    /** The one that comes next; of a job that waits no more there is nothing to move. */
    take(): Target | null {
      for (const [jobId, place] of places) {
        places.delete(jobId);
        if (waits(jobId)) return { jobId, place };
      }
      return null;
    },
  };
}

export function useReorder(
  rows: ComputedRef<readonly QueueRow[]>,
  nameOf: (jobId: string) => string,
  /** Whether more waits than the rows show. */
  goesOn: () => boolean,
): Reorder {
  const { t } = useI18n();
  const notices = useNotices();
  const server = useServerWords();
  const offerUndo = useUndo();
  const moving = ref<string | null>(null);
  const problem = shallowRef<Problem | null>(null);

  /** How many of the calls of this move were answered well. */
  let taken = 0;
  /** Where the job that is being moved is to go. */
  let going: { jobId: string; place: number } | null = null;
  const wishes = wishesOf((jobId) => rows.value.some((row) => row.jobId === jobId));
  /** What leads a job back to where it was before its first move of several, if any was made. */
  interface Back {
    jobId: string;
    moves: readonly Move[];
    made: boolean;
  }
  let back: Back | null = null;

  const doing = usePending(async (jobId: string, place: number) => {
    taken = 0;
    if (back?.jobId !== jobId) back = { jobId, moves: movesBack(rows.value, jobId), made: false };
    const chain = back;
    await call(movesTo(rows.value, jobId, place), () => {
      taken += 1;
      chain.made = true;
    });
    await seen(jobId, place, chain);
  });

  /** Wait until the live queue shows the job at its place, and say where it is. */
  function seen(jobId: string, place: number, { made, moves }: Back): Promise<void> {
    return new Promise((resolve) => {
      const there = (): boolean => peersOf(rows.value, jobId).indexOf(jobId) === place;
      const end = (): void => {
        stop();
        clearTimeout(timer);
        const count = peersOf(rows.value, jobId).length;
        const found = { name: nameOf(jobId), place: place + 1, count };
        // Of a place that it is to leave at once nothing is said.
        const said = there() ? t("queue.moved", found) : t("queue.moving");
        if (!wishes.isNext(jobId)) {
          if (made) offerUndo(said, () => call(moves));
          else notices.say(said); // it was there already
        }
        resolve();
      };
      const timer = setTimeout(end, SEEN_WITHIN_MS);
      const stop = watch(rows, () => there() && end());
      if (there()) end();
    });
  }

  function tell(jobId: string): void {
    const { value: found } = doing.problem;
    problem.value = found;
    const given = { name: nameOf(jobId), why: found ? server.happened(found).text : "" };
    // Without an answer, or half done, nobody here knows what the order is.
    const unknown = taken > 0 || found?.status === 0;
    notices.say(t(unknown ? "queue.move_unknown" : "queue.move_failed", given));
  }

  async function move(target: Target): Promise<void> {
    const { jobId } = target;
    const place = target.place();
    moving.value = jobId;
    going = { jobId, place };
    const done = await doing.run(jobId, place);
    moving.value = going = null;
    if (!done) {
      wishes.forget(jobId); // it was counted from a place that was not reached
      tell(jobId);
    }
    if (!wishes.isNext(jobId)) back = null;
  }

  async function run(jobId: string, place: Place): Promise<void> {
    if (going !== null) {
      wishes.add(jobId, place);
      return;
    }
    problem.value = null;
    let next: Target | null = { jobId, place };
    for (; next !== null; next = wishes.take()) await move(next);
  }

  /** Whether more of the same priority may follow behind a job that is the last one of it here. */
  function mayFollow(jobId: string): boolean {
    const priority = rows.value.find((row) => row.jobId === jobId)?.priority;
    return goesOn() && priority === rows.value.at(-1)?.priority;
  }

  return {
    problem,
    moving,
    step(jobId, by) {
      const from = wishes.placeOf(jobId) ?? (going?.jobId === jobId ? going.place : undefined);
      const place = placeBeside(rows.value, jobId, by, from);
      if (place !== null) void run(jobId, () => place);
      else {
        const shownLast = by === 1 && mayFollow(jobId);
        notices.say(t(shownLast ? "queue.last_shown" : "queue.at_end", { name: nameOf(jobId) }));
      }
    },
    drop(jobId, onto) {
      if (!peersOf(rows.value, jobId).includes(onto)) {
        notices.say(t("queue.move_cancelled", { name: nameOf(jobId) }));
        return;
      }
      const followers = followersAt(rows.value, jobId, onto);
      void run(jobId, () => placeAhead(rows.value, jobId, followers));
    },
  };
}

export interface Drag {
  /** The job that hangs on the pointer. */
  dragged: Readonly<Ref<string | null>>;
  /** The job whose row it would be dropped on. */
  over: Readonly<Ref<string | null>>;
  begin(event: PointerEvent, jobId: string): void;
}

/**
 * Drags a row by its handle, with a mouse or a finger; Escape lets it stay. `rowAt` names the job
 * under a point of the screen, `drop` is told where it was let go.
 */
export function useDrag(
  rowAt: (x: number, y: number) => string | null,
  drop: (jobId: string, onto: string) => void,
  cancelled: (jobId: string) => void,
): Drag {
  const dragged = ref<string | null>(null);
  const over = ref<string | null>(null);

  function end(): void {
    dragged.value = null;
    over.value = null;
  }
  function begin(event: PointerEvent, jobId: string): void {
    if (event.button !== 0) return;
    dragged.value = jobId;
    over.value = null;
  }
  useEventListener(window, "pointermove", (event) => {
    if (dragged.value === null) return;
    const found = rowAt(event.clientX, event.clientY);
    over.value = found === dragged.value ? null : found;
  });
  useEventListener(window, "pointerup", () => {
    const [from, onto] = [dragged.value, over.value];
    end();
    if (from !== null && onto !== null) drop(from, onto);
  });
  useEventListener(window, "pointercancel", end);
  useEventListener(window, "keydown", (event) => {
    if (event.key !== "Escape" || dragged.value === null) return;
    cancelled(dragged.value);
    end();
  });
  return { dragged, over, begin };
}
