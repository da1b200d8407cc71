import { computed, nextTick, shallowReactive, watchEffect } from "vue";
import { expect, it, vi } from "vitest";

import type { LivePrinter } from "@/live/frames";
import { LOOKS, stateOf } from "@/ui/states";

import type { Description } from "./descriptions";
import {
  compareValues,
  countsOf,
  matches,
  needsOf,
  sortValue,
  steadyList,
  useStanding,
} from "./roster";

function printer(number: number, part: Partial<LivePrinter> = {}): LivePrinter {
  return {
    id: `p${number}`,
    number,
    name: `Printer ${number}`,
    version: 1,
    enabled: true,
    maintenance: false,
    told_at_s: 1,
    link: "online",
    activity: "idle",
    powered: true,
    bed: "clear",
    bed_reason: null,
    bed_version: 1,
    command_id: null,
    detail: "",
    problem_code: "", hint: "",
    needs_attention: false,
    print_id: null,
    problem: "",
    progress: null,
    ready: true,
    software: "",
    time_left_s: null,
    warnings: [],
    temperatures: {},
    ...part,
  };
}
const mapOf = (...all: LivePrinter[]) =>
  shallowReactive(new Map(all.map((one) => [one.id, one] as const)));

it("wakes nobody who looks at states when only temperatures move", async () => {
  const printers = mapOf(printer(2), printer(1));
  const standing = useStanding(printers);
  const ids = steadyList(() => [...standing.value.keys()]);
  const seen = vi.fn();
  watchEffect(() => seen([...ids.value]));
  expect(seen).toHaveBeenLastCalledWith(["p1", "p2"]);
  printers.set("p1", printer(1, { temperatures: { bed: { actual: 60, target: null } } }));
  await nextTick();
  expect(seen).toHaveBeenCalledTimes(1);
  printers.set("p3", printer(3));
  await nextTick();
  expect(seen).toHaveBeenLastCalledWith(["p1", "p2", "p3"]);
});

it("sees a state that changes", () => {
  const printers = mapOf(printer(1));
  const standing = useStanding(printers);
  const counts = computed(() => countsOf(standing.value, ["p1"], []));
  expect(counts.value).toEqual([["ready", 1]]);
  printers.set("p1", printer(1, { bed: "occupied" }));
  expect(counts.value).toEqual([["bed_occupied", 1]]);
});

it("keeps a state that is filtered by among the counts when nobody is in it any more", () => {
  expect(countsOf(new Map([["p1", "ready"]]), ["p1"], ["paused"])).toEqual([
    ["paused", 0],
    ["ready", 1],
  ]);
});

it("puts first what needs a person most, and leaves out who needs nobody", () => {
  const standing = useStanding(
    mapOf(
      printer(1, { bed: "occupied" }),
      printer(2),
      printer(3, { link: "offline" }),
      printer(4, { needs_attention: true }),
      printer(5, { activity: "ours" }),
    ),
  ).value;
  expect(needsOf(standing)).toEqual(["p4", "p3", "p1"]);
});

const ABOUT = {
  tags: ["enclosed"],
  group: "hall 1",
  location: "shelf 3",
  model: { name: "MK4" },
} as unknown as Description;
const NONE = { search: "", tag: "", group: "" };

it.each([
  ["a part of the name, in any case", { search: "pRiNt" }, true],
  ["all words, wherever they stand", { search: "mk4 shelf bracket" }, true],
  ["one word that is nowhere", { search: "mk4 lathe" }, false],
  ["its tag", { tag: "enclosed" }, true],
  ["another tag", { tag: "open" }, false],
  ["its group, and a word", { group: "hall 1", search: "mk4" }, true],
  ["another group", { group: "hall 2" }, false],
])("finds by %s", (_by, wanted, found) => {
  expect(matches({ ...NONE, ...wanted }, "Printer", ABOUT, "bracket")).toBe(found);
});

it("does not pass a printer off as tagged before its description is known", () => {
  expect(matches({ ...NONE, tag: "enclosed" }, "Printer", undefined, "")).toBe(false);
});

it("sorts what has no value last, whichever way", () => {
  const collator = new Intl.Collator("en", { numeric: true });
  const all = [printer(1), printer(2, { print_id: "x", progress: 0.2 }),
    printer(3, { print_id: "y", progress: 0.7 })];
  const sorted = (down: boolean) =>
    [...all]
      .sort((a, b) =>
        compareValues(sortValue("progress", a, ""), sortValue("progress", b, ""), down, collator),
      )
      .map((one) => one.number);
  expect(sorted(false)).toEqual([2, 3, 1]);
  expect(sorted(true)).toEqual([3, 2, 1]);
});

it("sorts states as they are listed", () => {
  const states = Object.keys(LOOKS);
  expect(sortValue("state", printer(1), "")).toBe(states.indexOf(stateOf(printer(1))));
});
