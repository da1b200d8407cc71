import { expect, it } from "vitest";

import type { LivePrinter } from "@/live/frames";

import { LOOKS, stateOf, type PrinterState } from "./states";

type Told = Parameters<typeof stateOf>[0];
const IDLE: Told = {
  link: "online",
  activity: "idle",
  bed: "clear",
  enabled: true,
  maintenance: false,
  needs_attention: false,
  print_id: null,
  powered: true,
};

const HALTED_WITHOUT: Partial<Told> = { activity: "halted", powered: false };
const ENDING: Partial<Told> = { print_id: "p", bed: "occupied" };
const CASES: [string, Partial<Told>, PrinterState][] = [
  ["an idle printer with a clear bed is ready", {}, "ready"],
  ["one that prints for us prints", { activity: "ours", bed: "occupied" }, "printing"],
  ["one that a print has taken is not ready any more", { print_id: "p" }, "preparing"],
  ["a bed is not to be cleared before the print has ended", ENDING, "finishing"],
  ["one with a part on its bed wants it cleared", { bed: "occupied" }, "bed_occupied"],
  ["a bed that nobody knows is never ready", { bed: "unknown" }, "bed_unknown"],
  ["what is not known is not idle", { activity: "unknown" }, "unknown"],
  ["one out of reach is not said to print", { link: "offline", activity: "ours" }, "offline"],
  ["one without power is out of reach, and has no fault", HALTED_WITHOUT, "offline"],
  ["attention goes first", { link: "offline", needs_attention: true }, "needs_attention"],
  ["one that is switched off is not said to be offline", { enabled: false }, "disabled"],
  ["one in maintenance says so", { maintenance: true, bed: "occupied" }, "maintenance"],
  ["a halt is shown in maintenance, too", { maintenance: true, activity: "halted" }, "halted"],
];

it.each(CASES)("%s", (_promise, told, state) => {
  expect(stateOf({ ...IDLE, ...told })).toBe(state);
});

it("has a look for every state that links and activities can make", () => {
  const links: LivePrinter["link"][] = [
    "connecting", "syncing", "online", "degraded", "offline", "auth_required", "disabled",
  ];
  for (const link of links) expect(LOOKS[stateOf({ ...IDLE, link })]).toBeDefined();
});
