// An action and how it stands: nothing is shown as done before the server has said so.
import { ref, shallowRef, type Ref, type ShallowRef } from "vue";

import { asProblem, type Problem } from "@/api/problem";

export interface Pending<A extends unknown[]> {
  pending: Readonly<Ref<boolean>>;
  problem: Readonly<ShallowRef<Problem | null>>;
  /** Do it, unless it is being done; whether it was done. */
  run(...given: A): Promise<boolean>;
  forget(): void;
}

/** Wrap an action for a Button's `pending` and `failed` and an ErrorNote's `problem`. */
export function usePending<A extends unknown[]>(act: (...given: A) => Promise<void>): Pending<A> {
  const pending = ref(false);
  const problem = shallowRef<Problem | null>(null);
  async function run(...given: A): Promise<boolean> {
    if (pending.value) return false;
    pending.value = true;
    problem.value = null;
    try {
      await act(...given);
      return true;
    } catch (thrown) {
      problem.value = asProblem(thrown);
      return false;
    } finally {
      pending.value = false;
    }
  }
  return { pending, problem, run, forget: () => (problem.value = null) };
}
