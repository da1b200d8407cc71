// What the picked printers were told last, and each one's own answer: kept while other pages are
// shown, since it goes on there; it ends with the session.
import { defineStore } from "pinia";
import { computed, shallowRef, watch } from "vue";

import { useSession } from "@/app/session";

import type { Order, Outcome } from "./orders";

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

  /** Begin another one; outcomes are told to what is returned. */
  function begin(order: Order, asked: readonly string[]): (outcome: Outcome) => void {
    const own = ++last;
    present.value = { order, asked, outcomes: [] };
    return (outcome) => {
      const round = present.value;
      if (own !== last || round === null) return;
      present.value = { ...round, outcomes: [...round.outcomes, outcome] };
    };
  }

  /** Let go of one whose answers are all there. */
  function forget(): void {
    if (open.value === 0) present.value = null;
  }

  const session = useSession();
  watch(
    () => session.me,
    (me) => {
      if (me === null) present.value = null;
    },
    { flush: "sync" },
  );
  return { present, open, begin, forget };
});
