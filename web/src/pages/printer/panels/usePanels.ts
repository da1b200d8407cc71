// The arrangement of the panels on this screen, remembered in the browser.
import { useLocalStorage, useWindowSize } from "@vueuse/core";
import { computed, nextTick } from "vue";

import {
  arranged, columnsOf, moved, sizeOf, toggled,
  type Arrangement, type PanelKey, type Size,
} from "./arrangement";

export interface Panels {
  /** The columns of those that are shown. */
  columns(shown: (key: PanelKey) => boolean): PanelKey[][];
  isFolded(key: PanelKey): boolean;
  canMove(key: PanelKey, by: -1 | 1): boolean;
  /** Move a panel; the focus goes with it. What is returned puts all back in their order. */
  move(key: PanelKey, by: -1 | 1): Promise<() => void>;
  fold(key: PanelKey): void;
}

export function usePanels(): Panels {
  const remembered = useLocalStorage<Partial<Record<Size, unknown>>>("buildplate.panels", {});
  const { width } = useWindowSize();
  const size = computed(() => sizeOf(width.value));
  const present = computed(() => arranged(remembered.value[size.value], size.value));

  function remember(next: Arrangement, at = size.value): void {
    remembered.value = { ...remembered.value, [at]: next };
  }
  function reorder(order: PanelKey[], at: Size): void {
    remember({ ...arranged(remembered.value[at], at), order }, at);
  }

  return {
    columns: (shown) => columnsOf(present.value.order.filter(shown), size.value),
    isFolded: (key) => present.value.folded.includes(key),
    canMove: (key, by) => moved(present.value, key, by) !== present.value,
    async move(key, by) {
      const [{ order }, at] = [present.value, size.value];
      remember(moved(present.value, key, by));
      await nextTick();
      document.querySelector<HTMLElement>(`[data-panel="${key}"] [data-arrange]`)?.focus();
      return () => reorder(order, at);
    },
    fold: (key) => remember(toggled(present.value, key)),
  };
}
