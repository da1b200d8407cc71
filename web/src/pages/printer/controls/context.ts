// What the parts of a printer's page share that give orders to the machine itself.
import { useQuery } from "@tanstack/vue-query";
import {
  computed, inject, onScopeDispose, provide, type ComputedRef, type InjectionKey,
} from "vue";

import { api, data } from "@/api/client";
import { asProblem, type Problem } from "@/api/problem";
import type { components } from "@/api/schema";
import type { LivePrinter } from "@/live/frames";

import { useDrivers } from "../form/drivers";
import { pathOf, type Printer } from "../printer";
import { useFeed, type Feed } from "./feed";
import { denial, type Denial, type Need } from "./needs";
import { makeSender, type Kind, type Order } from "./sending";

export type Capability = Kind | "emergency_stop" | "console" | "equipment";
export type Equipment = components["schemas"]["EquipmentOut"];

export interface Controls {
  feed: Feed;
  /** What the printer's host has; undefined until it is known. */
  equipment: ComputedRef<Equipment | undefined>;
  equipmentProblem: ComputedRef<Problem | null>;
  lookAgain(): void;
  /** Whether its driver offers this; false until that is known. */
  can(what: Capability): boolean;
  /** Why an order with this need would be refused now. */
  denied(need: Need): Denial | null;
  send(order: Order): Promise<void>;
  /** Orders that belong together, one after the other; `each`: also after one that fails. */
  sendAll(orders: readonly Order[], each?: boolean): Promise<void>;
  stop(): Promise<void>;
}

export const CONTROLS: InjectionKey<Controls> = Symbol("controls");

/** Make it for this page; it listens for as long as the page is open. */
export function provideControls(
  printer: () => Printer | undefined,
  live: () => LivePrinter | undefined,
): Controls {
  let here = true;
  onScopeDispose(() => (here = false));
  const sender = makeSender(() => here);
  const id = computed(() => {
    const found = printer();
    return found && found.retired_at === null ? found.id : null;
  });
  const { all } = useDrivers();
  const offered = computed(() => {
    const driver = all.value?.find(({ name }) => name === printer()?.driver);
    return new Set(driver?.capabilities ?? []);
  });
  const can = (what: Capability): boolean => id.value !== null && offered.value.has(what);
  // It changes with what is printed: objects come and go.
  const asked = useQuery({
    queryKey: ["equipment", id, () => live()?.print_id ?? live()?.activity],
    queryFn: () => {
      const path = pathOf(id.value ?? "");
      return data(api.GET("/api/v1/printers/{printer_id}/equipment", path));
    },
    enabled: () => can("equipment") && live()?.link === "online",
    retry: false,
  });
  const sure = (): string => id.value ?? "";
  const controls: Controls = {
    feed: useFeed(() => id.value),
    equipment: computed(() => asked.data.value),
    equipmentProblem: computed(() => (asked.error.value ? asProblem(asked.error.value) : null)),
    lookAgain: () => void asked.refetch(),
    can,
    denied: (need) => denial(need, live()),
    send: (order) => sender.send(sure(), order),
    sendAll: (orders, each) => sender.sendAll(sure(), orders, each),
    stop: () => sender.stop(sure()),
  };
  provide(CONTROLS, controls);
  return controls;
}

export function useControls(): Controls {
  const found = inject(CONTROLS);
  if (found === undefined) throw new Error("there are no controls outside of a printer's page");
  return found;
}
