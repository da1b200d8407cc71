// The orders of one part of the panel, and how the last of them stands.
import { computed, shallowReactive, shallowRef, type ComputedRef } from "vue";

import { NOT_OURS, UNREACHABLE, type Problem } from "@/api/problem";
import { usePending, type Pending } from "@/ui/pending";

type Act = Pending<[() => Promise<void>]>;
/** With these nobody knows whether it was done: the order may have arrived, and be at work. */
const UNKNOWN = new Set(["command_unknown", "command_open", UNREACHABLE, NOT_OURS]);

export interface Last {
  /** What was ordered, in words. */
  word: string;
  stands: "doing" | "done" | "failed" | "open";
  at: Date;
}

export interface Acts {
  /** How the order under this name stands: for a Button's `doing`. */
  of(name: string): Act;
  /** Give it; whether the printer has carried it out. Nothing happens while the same is done. */
  run(name: string, word: string, give: () => Promise<void>): Promise<boolean>;
  /** Give it whatever became of the one before, which is not told of any more. */
  insist(name: string, word: string, give: () => Promise<void>): Promise<boolean>;
  last: ComputedRef<Last | null>;
  problem: ComputedRef<Problem | null>;
  forget(): void;
}

function undone(problem: Problem | null): "failed" | "open" {
  return problem !== null && UNKNOWN.has(problem.code) ? "open" : "failed";
}

export function useActs(): Acts {
  const acts = shallowReactive(new Map<string, Act>());
  const last = shallowRef<Last | null>(null);
  const named = shallowRef("");

  function fresh(name: string): Act {
    const made = usePending((give: () => Promise<void>) => give());
    acts.set(name, made);
    return made;
  }
  const of = (name: string): Act => acts.get(name) ?? fresh(name);

  async function begin(name: string, word: string, give: () => Promise<void>): Promise<boolean> {
    const act = of(name);
    for (const other of acts.values()) if (!other.pending.value) other.forget();
    named.value = name;
    const own: Last = { word, stands: "doing", at: new Date() };
    last.value = own;
    const done = await act.run(give);
    if (acts.get(name) !== act) return done;
    // Of two at a time the later one is told of, unless the earlier failed.
    if (last.value === own || !done) {
      named.value = name;
      last.value = { word, stands: done ? "done" : undone(act.problem.value), at: new Date() };
    }
    return done;
  }

  return {
    of,
    run: async (name, word, give) => !of(name).pending.value && (await begin(name, word, give)),
    insist(name, word, give) {
      fresh(name);
      return begin(name, word, give);
    },
    last: computed(() => last.value),
    problem: computed(() => acts.get(named.value)?.problem.value ?? null),
    forget: () => {
      for (const act of acts.values()) act.forget();
      last.value = null;
    },
  };
}
