// What the farm page shows, kept in its address: a view is saved by saving the link.
import { computed, type ComputedRef } from "vue";
import { useRoute, useRouter, type LocationQuery, type LocationQueryRaw } from "vue-router";

import { LOOKS, type PrinterState } from "@/ui/states";

export const VIEWS = ["cards", "table", "plan", "wall"] as const;
export type ViewName = (typeof VIEWS)[number];
export const SORTS = ["number", "name", "state", "job", "progress", "left"] as const;
export type SortKey = (typeof SORTS)[number];

export interface FarmView {
  view: ViewName;
  /** Only printers in one of these states; none: all. */
  states: readonly PrinterState[];
  search: string;
  tag: string;
  group: string;
  compact: boolean;
  sort: SortKey;
  down: boolean;
  /** The floor of the plan; empty: the first one. */
  floor: string;
}

function text(given: LocationQuery[string] | undefined): string {
  return (Array.isArray(given) ? given[0] : given) ?? "";
}

function oneOf<T extends string>(all: readonly T[], given: string): T {
  return all.find((one) => one === given) ?? (all[0] as T);
}

/** The view that an address names; what it does not know of it is left at its default. */
export function viewOf(query: LocationQuery): FarmView {
  const sort = text(query["sort"]);
  return {
    view: oneOf(VIEWS, text(query["view"])),
    states: text(query["state"])
      .split(",")
      .filter((one): one is PrinterState => Object.hasOwn(LOOKS, one)),
    search: text(query["q"]),
    tag: text(query["tag"]),
    group: text(query["group"]),
    compact: text(query["density"]) === "compact",
    sort: oneOf(SORTS, sort.replace(/^-/, "")),
    down: sort.startsWith("-"),
    floor: text(query["floor"]),
  };
}

/** The address of a view; defaults are left out, so that the plain page has a plain address. */
export function queryOf(view: FarmView): LocationQueryRaw {
  const sort = `${view.down ? "-" : ""}${view.sort}`;
  const all = {
    view: view.view === "cards" ? "" : view.view,
    state: view.states.join(","),
    q: view.search,
    tag: view.tag,
    group: view.group,
    density: view.compact ? "compact" : "",
    sort: sort === SORTS[0] ? "" : sort,
    floor: view.floor,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== ""));
}

/** Who is to be shown, and in what order: of two views that differ in it, somebody chose anew. */
export function wishOf({ search, states, group, tag, sort, down }: FarmView): string {
  return JSON.stringify([search, states, group, tag, sort, down]);
}

export interface ViewControl {
  view: ComputedRef<FarmView>;
  change(part: Partial<FarmView>): void;
  showAll(): void;
}

/** The view of the present address, and how to change it. */
export function useFarmView(): ViewControl {
  const route = useRoute();
  const router = useRouter();
  const view = computed(() => viewOf(route.query));
  const change = (part: Partial<FarmView>): void => {
    void router.replace({ query: queryOf({ ...view.value, ...part }), hash: route.hash });
  };
  return {
    view,
    change,
    showAll: () => change({ states: [], search: "", tag: "", group: "" }),
  };
}
