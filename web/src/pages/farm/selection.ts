// The printers that a person has picked, one by one or as a range.
import { computed, shallowReactive, shallowRef, type ComputedRef } from "vue";

export interface Selection {
  has(id: string): boolean;
  size: ComputedRef<number>;
  ids: ComputedRef<string[]>;
  /** Pick one, or put it back; with `range`, all from the last one that was picked to this one. */
  set(id: string, on: boolean, range?: readonly string[]): void;
  all(ids: readonly string[]): void;
  clear(): void;
  /** Let go of those that are there no more. */
  keep(present: (id: string) => boolean): void;
}

export function makeSelection(): Selection {
  const picked = shallowReactive(new Set<string>());
  const last = shallowRef<string | null>(null);

  function between(id: string, range: readonly string[]): readonly string[] {
    const [from, to] = [range.indexOf(last.value ?? id), range.indexOf(id)];
    if (from < 0 || to < 0) return [id];
    return range.slice(Math.min(from, to), Math.max(from, to) + 1);
  }

  return {
    has: (id) => picked.has(id),
    size: computed(() => picked.size),
    ids: computed(() => [...picked]),
    set(id, on, range) {
      for (const one of range ? between(id, range) : [id]) {
        if (on) picked.add(one);
        else picked.delete(one);
      }
      last.value = id;
    },
    all: (ids) => ids.forEach((id) => picked.add(id)),
    clear() {
      picked.clear();
      last.value = null;
    },
    keep(present) {
      for (const id of [...picked]) if (!present(id)) picked.delete(id);
    },
  };
}
