// What the picked printers were told last, and each one's own answer: kept while other pages are
// shown, since it goes on there; it ends with the session.
import { defineStore } from "pinia";
import { computed, shallowRef, watch } from "vue";

import { useSession } from "@/app/session";

import type { Order, Outcome } from "./orders";

/** Where the outcomes of a round are told to, and whether it goes on: its session has not ended. */
export interface Telling {
  tell: (outcome: Outcome) => void;
  signal: AbortSignal;
}

export interface Round {
  order: Order;
  asked: readonly string[];
  outcomes: readonly Outcome[];
}

export const useRound = defineStore("farm-round", () => {
  const present = shallowRef<Round | null>(null);
  /** How many have not answered yet. */
  const open = computed(() =>
    present.value === null ? 0 : present.value.asked.length - present.value.outcomes.length,
  );
  let last = 0;
  let ending = new AbortController();

  /** Begin another one; no printer is told anything once `signal` is aborted. */
  function begin(order: Order, asked: readonly string[]): Telling {
    const own = ++last;
    present.value = { order, asked, outcomes: [] };
    const tell = (outcome: Outcome) => {
      const round = present.value;
      if (own !== last || round === null) return;
      present.value = { ...round, outcomes: [...round.outcomes, outcome] };
    };
    return { tell, signal: ending.signal };
  }

  /** Let go of one whose answers are all there. */
  function forget(): void {
    if (open.value === 0) present.value = null;
  }

  const session = useSession();
  watch(
    () => session.me,
    (me) => {
      if (me !== null) return;
      present.value = null;
      // What is left of it would go out under the cookie of whoever signs in next.
      ending.abort();
      ending = new AbortController();
    },
    { flush: "sync" },
  );
  return { present, open, begin, forget };
});
