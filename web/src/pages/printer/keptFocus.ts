// Keeps the focus among buttons that come and go, for whoever presses one by keyboard.
import { nextTick, watch, type ShallowRef, type WatchSource } from "vue";

/** `box` can take the focus itself; `changes` are what the buttons in it come and go with. */
export function useKeptFocus(
  box: Readonly<ShallowRef<HTMLElement | null>>,
  changes: WatchSource[],
): void {
  watch(changes, async () => {
    const held = box.value?.contains(document.activeElement);
    await nextTick();
    if (!held || box.value?.contains(document.activeElement)) return;
    (box.value?.querySelector<HTMLElement>("button, a") ?? box.value)?.focus();
  });
}
