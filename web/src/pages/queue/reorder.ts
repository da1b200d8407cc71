// Moves a job in the queue: the server is asked, and what it made of it is said when it is seen.
import { useEventListener } from "@vueuse/core";
import { ref, watch, type ComputedRef, type Ref } from "vue";
import { useI18n } from "vue-i18n";

import { api } from "@/api/client";
import { useNotices } from "@/ui/notices";
import { usePending, type Pending } from "@/ui/pending";
import { useServerWords } from "@/ui/server-words";
import { useUndo } from "@/ui/undo";

import { movesBack, movesTo, peersOf, placeBeside, type Move, type QueueRow } from "./rows";

export interface Reorder {
  doing: Pending<[jobId: string, place: number]>;
  /** The job that is being moved by a call that has not been answered, or not been seen yet. */
  moving: Readonly<Ref<string | null>>;
  /** One place up (-1) or down (1). */
  step(jobId: string, by: -1 | 1): void;
  /** To a place among those of its priority, from 0. */
  to(jobId: string, place: number): void;
}

interface Target {
  jobId: string;
  place: number;
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

  /** How many of the calls of this move were answered well. */
  let taken = 0;
  /** Where the job that is being moved is to go, and what was asked for meanwhile. */
  let going: Target | null = null;
  let next: Target | null = null;
  /** What leads a job back to where it was before its first move of several. */
  let back: { jobId: string; moves: readonly Move[] } | null = null;

  const doing = usePending(async (jobId: string, place: number) => {
    taken = 0;
    if (back?.jobId !== jobId) back = { jobId, moves: movesBack(rows.value, jobId) };
    const { moves } = back;
    await call(movesTo(rows.value, jobId, place), () => (taken += 1));
    await seen(jobId, place, () => call(moves));
  });

  /** Wait until the live queue shows the job at its place, and say where it is. */
  function seen(jobId: string, place: number, undo: () => Promise<void>): Promise<void> {
    return new Promise((resolve) => {
      const there = (): boolean => peersOf(rows.value, jobId).indexOf(jobId) === place;
      const end = (): void => {
        stop();
        clearTimeout(timer);
        const count = peersOf(rows.value, jobId).length;
        const found = { name: nameOf(jobId), place: place + 1, count };
        // Of a place that it is to leave at once nothing is said.
        if (next === null) offerUndo(there() ? t("queue.moved", found) : t("queue.moving"), undo);
        resolve();
      };
      const timer = setTimeout(end, SEEN_WITHIN_MS);
      const stop = watch(rows, () => there() && end());
      if (there()) end();
    });
  }

  async function run(jobId: string, place: number): Promise<void> {
    if (doing.pending.value) {
      next = { jobId, place };
      return;
    }
    moving.value = jobId;
    going = { jobId, place };
    const done = await doing.run(jobId, place);
    moving.value = null;
    const then = next;
    going = next = null;
    if (!done || then === null) back = null;
    if (done) {
      if (then !== null) await run(then.jobId, then.place);
      return;
    }
    const { value: problem } = doing.problem;
    const given = { name: nameOf(jobId), why: problem ? server.happened(problem).text : "" };
    // Without an answer, or half done, nobody here knows what the order is.
    const unknown = taken > 0 || problem?.status === 0;
    notices.say(t(unknown ? "queue.move_unknown" : "queue.move_failed", given));
  }

  /** Whether more of the same priority may follow behind a job that is the last one of it here. */
  function mayFollow(jobId: string): boolean {
    const priority = rows.value.find((row) => row.jobId === jobId)?.priority;
    return goesOn() && priority === rows.value.at(-1)?.priority;
  }

  return {
    doing,
    moving,
    step(jobId, by) {
      const from = [next, going].find((one) => one?.jobId === jobId)?.place;
      const place = placeBeside(rows.value, jobId, by, from);
      if (place !== null) void run(jobId, place);
      else {
        const shownLast = by === 1 && mayFollow(jobId);
        notices.say(t(shownLast ? "queue.last_shown" : "queue.at_end", { name: nameOf(jobId) }));
      }
    },
    to: (jobId, place) => void run(jobId, place),
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
