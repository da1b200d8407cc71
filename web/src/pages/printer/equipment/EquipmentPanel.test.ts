// What a printer's host switches, and what it knows of a print that was begun there.
import { VueQueryPlugin } from "@tanstack/vue-query";
import { flushPromises, mount, type VueWrapper } from "@vue/test-utils";
import { createPinia, setActivePinia } from "pinia";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { ref, shallowRef, type Component } from "vue";

import { Problem } from "@/api/problem";
import { useSession, type Role } from "@/app/session";
import { i18n, speak } from "@/i18n";
import type { LivePrinter } from "@/live/frames";

import { CONTROLS, type Controls, type Equipment } from "../controls/context";
import { denial } from "../controls/needs";
import ForeignPrint from "../current/ForeignPrint.vue";
import type { Printer } from "../printer";
import EquipmentPanel from "./EquipmentPanel.vue";

const FILE: Equipment["file"] = {
  name: "shelf/vase.gcode", tag: "3f6c", slicer: "PrusaSlicer 2.7.4", estimated_s: 5400,
  filament_mm: 6120.5, filament_g: 18.44, layers: 120, layer_height: 0.2,
  first_layer_height: null, object_height: 24.05, first_layer_nozzle_c: 215,
  first_layer_bed_c: 60, chamber_c: null, has_thumbnail: true,
};
const IDLE = {
  id: "p", link: "online", activity: "idle", print_id: null, progress: null, time_left_s: null,
  bed: "clear", enabled: true, maintenance: false, needs_attention: false,
  temperatures: { tool0: { actual: 21, target: 0 }, bed: { actual: 22, target: 0 } },
} as unknown as LivePrinter;
const HOT = {
  ...IDLE,
  temperatures: { tool0: { actual: 181, target: 0 }, bed: { actual: 50, target: 0 } },
} as unknown as LivePrinter;
const FOREIGN = {
  ...IDLE, activity: "foreign", progress: 0.25, time_left_s: 3600,
} as unknown as LivePrinter;
const send = vi.fn<Controls["send"]>();
const lookAgain = vi.fn();
const EQUIPMENT: Equipment = {
  macros: [], suggestions: [], cameras: [], mesh: null, capabilities: [], objects: [], file: null,
  power: [
    { name: "outlet", on: true, locked: true },
    { name: "light", on: false, locked: false },
    { name: "fan", on: null, locked: false },
  ],
};
const equipment = shallowRef(EQUIPMENT);
const live = ref<LivePrinter>(IDLE);
let panel: VueWrapper;

async function show(
  shown: LivePrinter, role: Role = "operator", component: Component = EquipmentPanel, power = true,
): Promise<void> {
  live.value = shown;
  const controls = {
    feed: { levels: shallowRef({ layer: 30, layers: null }) },
    equipment,
    equipmentProblem: shallowRef(null),
    lookAgain,
    can: () => power,
    denied: (need: Parameters<typeof denial>[0]) => denial(need, live.value),
    send,
  } as unknown as Controls;
  const pinia = createPinia();
  setActivePinia(pinia);
  const global = { plugins: [i18n, pinia, VueQueryPlugin], provide: { [CONTROLS]: controls } };
  const props = { printer: { id: "p" } as Printer, live: shown };
  panel = mount(component, { global, props, attachTo: document.body });
  useSession().me = { name: "kim", role } as never;
  await flushPromises();
}
const named = (name: string) => {
  const called = (one: Element) => one.getAttribute("aria-label") ?? one.textContent.trim();
  return [...document.querySelectorAll("button")].find((one) => called(one) === name);
};
const words = () => panel.findAll("li p").map((line) => {
  return line.findAll("span").map((one) => one.text()).join(" ");
}).join("\n");
const press = async (name: string) => {
  named(name)?.click();
  await flushPromises();
};

beforeEach(async () => {
  await speak("en", false);
  send.mockReset().mockResolvedValue(undefined);
  lookAgain.mockReset();
  equipment.value = EQUIPMENT;
});
afterEach(() => panel.unmount());

it("switches on at once, and off only after it was asked", async () => {
  await show(IDLE);
  await press("Switch on: light");
  expect(send).toHaveBeenLastCalledWith({ kind: "power", body: { device: "light", on: true } });
  expect(lookAgain).toHaveBeenCalledTimes(1);
  await press("Switch off: outlet");
  expect(send).toHaveBeenCalledTimes(1);
  expect(document.body.textContent).toContain("Switch off outlet?");
  expect(document.body.textContent).not.toContain("Still hot");
  await press("Switch off");
  expect(send).toHaveBeenLastCalledWith({ kind: "power", body: { device: "outlet", on: false } });
  expect(document.body.textContent).not.toContain("Switch off outlet?");
});

it("says which heaters are above 50 °C before it switches off", async () => {
  await show(HOT);
  await press("Switch off: outlet");
  const text = document.querySelector("[role=alertdialog]")?.textContent ?? "";
  expect(text).toContain("Still hot: Nozzle 181 °C. Without power no fan cools the nozzle");
  expect(text).not.toContain("Bed");
});

it("offers both ways where a device does not say how it stands", async () => {
  await show(IDLE);
  expect(words()).toContain("fan not known");
  expect([named("Switch on: fan"), named("Switch off: fan")].map((one) => one?.disabled)).toEqual([
    false, false,
  ]);
});

it("keeps what a failed switch says, and the question open", async () => {
  send.mockRejectedValue(new Problem(409, { code: "printer_prints", detail: "a print runs" }));
  await show(IDLE);
  await press("Switch off: outlet");
  await press("Switch off");
  const told = document.querySelector("[role=alertdialog] [role=alert]");
  expect(told?.textContent).toContain("a print");
  expect(lookAgain).not.toHaveBeenCalled();
});

it.each([
  ["foreign", "something is being printed"],
  ["busy", "the machine moves"],
  ["unknown", "has not said yet"],
])("switches nothing off while the printer is %s, and says why", async (activity, why) => {
  await show({ ...IDLE, activity } as LivePrinter);
  expect(named("Switch off: outlet")?.disabled).toBe(true);
  expect(named("Switch on: light")?.disabled).toBe(false);
  expect(panel.text()).toContain(why);
});

it.each([["viewer", true], ["operator", false]] as const)(
  "only tells how devices stand to a %s where power can be switched: %s",
  async (role, can) => {
    await show(IDLE, role, EquipmentPanel, can);
    expect(words()).toContain("outlet on");
    expect(panel.findAll("button")).toHaveLength(0);
  },
);

it("tells what is known of a print that was begun at the printer", async () => {
  equipment.value = { ...EQUIPMENT, file: FILE };
  await show(FOREIGN, "viewer", ForeignPrint);
  const text = panel.text().replace(/\s+/g, " ");
  for (const known of [
    "vase.gcode", "25%", "Layer 30 of 120", "1 h 00 min left", "Slicer's estimate1 h 30 min",
    "Filament6.12 m · 18 g", "Layers120 · 0.2 mm each", "Height24.05 mm",
    "First layernozzle 215 °C · bed 60 °C", "SlicerPrusaSlicer 2.7.4",
  ]) expect(text).toContain(known);
  expect(panel.get("img").attributes("src")).toBe("/api/v1/printers/p/thumbnail?tag=3f6c");
  await panel.get("img").trigger("error");
  expect(panel.find("img").exists()).toBe(false);
});

it("tells how far a print is of which nothing else is known", async () => {
  await show(FOREIGN, "viewer", ForeignPrint);
  expect(panel.text()).toContain("25%");
  expect(panel.find("dl").exists()).toBe(false);
  expect(panel.find("img").exists()).toBe(false);
});

it("tells the last print among the equipment once it is over", async () => {
  equipment.value = { ...EQUIPMENT, file: FILE };
  await show(IDLE);
  expect(panel.text()).toContain("Printed last");
  await panel.setProps({ live: FOREIGN });
  expect(panel.text()).not.toContain("Printed last");
});
