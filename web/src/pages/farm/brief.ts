// The little that a part of a list shows while it is off the screen: name, state, edge.
import { computed, type ComputedRef } from "vue";

import { useLive } from "@/live/store";
import { LOOKS, stateOf, type PrinterState } from "@/ui/states";

export interface Brief {
  name: ComputedRef<string>;
  state: ComputedRef<PrinterState>;
  /** The classes of its state's edge and hue. */
  edge: ComputedRef<string[]>;
}

/** Words and classes only: they stay the same while temperatures and progress move. */
export function useBrief(id: () => string): Brief {
  const live = useLive();
  const state = computed(() => {
    const printer = live.printers.get(id());
    return printer ? stateOf(printer) : "unknown";
  });
  return {
    name: computed(() => live.printers.get(id())?.name ?? ""),
    state,
    edge: computed(() => {
      const { tone, edge } = LOOKS[state.value];
      return edge === "solid" ? [`tone-${tone}`] : [`tone-${tone}`, `edge-${edge}`];
    }),
  };
}
