// Rows do not move under a pointer or away from the focus: while either is in the list its order
// stays, and what changed meanwhile sorts it again once it is left, or the pointer only lies there.
import { useEventListener, useTimeoutFn } from "@vueuse/core";
import { computed, nextTick, shallowRef, watch, type ComputedRef, type ShallowRef } from "vue";

import { sameList } from "./roster";

/** How long after its last movement a pointer holds the order: nobody is about to press then. */
export const POINTED_MS = 10_000;
/** How long after rows moved under a pointer that lay there a press is meant for what was there. */
export const MISTAKEN_MS = 700;
const ROW = "[data-printer]";

/** The order that was shown, of those that are still there; who is new comes last. */
export function keepOrder(before: readonly string[], now: readonly string[]): readonly string[] {
  const [there, known] = [new Set(now), new Set(before)];
  const kept = [...before.filter((id) => there.has(id)), ...now.filter((id) => !known.has(id))];
  return sameList(kept, now) ? now : kept;
}

/** `sorted` as it is to be shown in `list`; another `wish` sorts at once. */
export function useHeldOrder(
  sorted: ComputedRef<readonly string[]>,
  wish: () => string,
  list: Readonly<ShallowRef<HTMLElement | null>>,
): ComputedRef<readonly string[]> {
  const pointed = shallowRef(false);
  const focused = shallowRef(false);
  /** The row that has the focus, or has a part that has it. */
  function row(): HTMLElement | null {
    const active = document.activeElement;
    return list.value?.contains(active) ? (active?.closest<HTMLElement>(ROW) ?? null) : null;
  }
  let inside = false;
  const lying = useTimeoutFn(() => (pointed.value = false), POINTED_MS, { immediate: false });
  function point(): void {
    inside = pointed.value = true;
    lying.start();
  }
  function leave(): void {
    inside = pointed.value = false;
    lying.stop();
  }

  /** Rows moved under the pointer, and it has not moved since. */
  const moved = useTimeoutFn(() => undefined, MISTAKEN_MS, { immediate: false });
  let mistaken = false;
  function swallow(event: Event): void {
    if (mistaken && (event as MouseEvent).detail) {
      event.preventDefault();
      event.stopImmediatePropagation();
    }
    mistaken = false;
  }
  useEventListener(list, "pointermove", moved.stop);
  useEventListener(list, "pointerdown", () => void (mistaken = moved.isPending.value));
  useEventListener(list, "click", swallow, { capture: true });

  const look = () => void (focused.value = row() !== null);
  useEventListener(list, ["pointerenter", "pointermove", "pointerdown"], point);
  useEventListener(list, "pointerleave", leave);
  useEventListener(list, "focusin", look);
  useEventListener(list, "focusout", () => setTimeout(look)); // it may go to another row
  watch(list, () => {
    leave();
    focused.value = false;
  });

  const made = computed<{ wish: string; ids: readonly string[] }>((before) => {
    const now = wish();
    const held = (pointed.value || focused.value) && before?.wish === now;
    const ids = held ? keepOrder(before.ids, sorted.value) : sorted.value;
    return { wish: now, ids: before && sameList(before.ids, ids) ? before.ids : ids };
  });
  const shown = computed(() => made.value.ids);
  watch(made, (now, before) => {
    const same = before.ids.every((id, at) => now.ids[at] === id);
    if (inside && now.wish === before.wish && !same) moved.start();
  });
  watch(shown, async () => {
    const active = row() && (document.activeElement as HTMLElement);
    await nextTick();
    // A row that moves is taken out and put in elsewhere: the focus goes with it.
    if (active?.isConnected) active.focus({ preventScroll: true });
    look(); // the row that had it may be gone
  });
  return shown;
}
