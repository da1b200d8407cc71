// What can be ordered of the machine: only what it offers, only when it may, done when it says so.
import { flushPromises, mount, type VueWrapper } from "@vue/test-utils";
import { createPinia, setActivePinia } from "pinia";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { ref, shallowRef } from "vue";

import { Problem } from "@/api/problem";
import { i18n, speak } from "@/i18n";
import type { LivePrinter } from "@/live/frames";
import { useLive } from "@/live/store";

import type { Printer } from "../printer";
import { CONTROLS, type Controls, type Equipment } from "./context";
import ControlsPanel from "./ControlsPanel.vue";
import EmergencyStop from "./EmergencyStop.vue";
import type { Levels } from "./feed";
import type { Denial } from "./needs";

const ALL = [
  "home", "jog", "extrude", "heat", "fan", "pace", "shift_z", "macro", "exclude_object",
];
const LIVE = {
  temperatures: {
    tool0: { actual: 21, target: 0 }, bed: { actual: 60, target: 60 }, board: { actual: 40 },
  },
} as unknown as LivePrinter;
const LEVELS: Levels = {
  position: { x: 10, y: 20 }, homed: "xy", fans: { part: 0.5 }, speed: 1, flow: 0.98,
  z_offset: -0.02, layer: null, layers: null,
};
const EQUIPMENT = {
  macros: ["PURGE_LINE"], suggestions: [], cameras: [], power: [], mesh: null, capabilities: [],
  objects: [{ name: "left", excluded: false, current: true, outline: [] }],
} as unknown as Equipment;
const send = vi.fn<Controls["send"]>();
const sendAll = vi.fn<Controls["sendAll"]>();
const stop = vi.fn<Controls["stop"]>();
const why = ref<Denial | null>(null);
let panel: VueWrapper;
let age: number | null = 0;

async function show(offered = ALL, component: typeof ControlsPanel | typeof EmergencyStop =
ControlsPanel): Promise<void> {
  const controls: Controls = {
    feed: { lines: shallowRef([]), levels: shallowRef(LEVELS), connection: shallowRef("live") },
    equipment: shallowRef(EQUIPMENT),
    equipmentProblem: shallowRef(null),
    lookAgain: () => undefined,
    can: (what: string) => offered.includes(what),
    denied: () => why.value,
    send,
    sendAll,
    stop,
  } as unknown as Controls;
  const pinia = createPinia();
  setActivePinia(pinia);
  useLive().ageOf = () => age;
  const global = { plugins: [i18n, pinia], provide: { [CONTROLS]: controls } };
  const props = { printer: { model: { max_bed_c: 90 } } as unknown as Printer, live: LIVE };
  panel = mount(component as typeof ControlsPanel, { global, props, attachTo: document.body });
  await flushPromises();
}
const button = (name: string) =>
  panel.findAll("button").find((one) => [one.text(), one.attributes("aria-label")].includes(name));
const press = async (name: string) => {
  await button(name)?.trigger("click");
  await flushPromises();
};
const sent = () => send.mock.calls.map(([order]) => order);

beforeEach(async () => {
  await speak("en", false);
  why.value = null;
  age = 0;
  send.mockReset().mockResolvedValue(undefined);
  sendAll.mockReset().mockResolvedValue(undefined);
  stop.mockReset().mockResolvedValue(undefined);
});
afterEach(() => {
  panel.unmount();
  vi.useRealTimers();
});

it("shows nothing of what the printer does not offer", async () => {
  await show(["heat"]);
  expect(panel.findAll("h3").map((one) => one.text())).toEqual(["Heat"]);
});

it("is pending until the printer has done it, and then says so", async () => {
  let done: () => void = () => undefined;
  send.mockReturnValue(new Promise<void>((resolve) => (done = resolve)));
  await show();
  await press("Home all");
  expect(panel.find("[data-act=home]").attributes("aria-busy")).toBe("true");
  expect(panel.text()).toContain("Home all: being done");
  await press("Home all");
  expect(sent()).toEqual([{ kind: "home", body: { axes: [] } }]);
  done();
  await flushPromises();
  expect(panel.text()).toContain("Home all: done");
});

it("says what failed and what is safe", async () => {
  const told = { code: "odd", detail: "it is too cold", hint: "Heat." };
  send.mockRejectedValue(new Problem(409, told));
  await show();
  await press("Extrude");
  expect(panel.find("[role=alert]").text()).toContain("it is too cold");
  expect(panel.text()).toContain("Extrude 10mm: not done.".replace("10mm", "10 mm"));
});

it("disables what the state forbids, and says why in words", async () => {
  await show();
  why.value = "prints";
  await flushPromises();
  const home = panel.find("[data-act=home]");
  expect(home.attributes("disabled")).toBeDefined();
  const about = home.attributes("aria-describedby") ?? "";
  expect(document.getElementById(about)?.textContent).toContain("something is being printed");
});

it("moves by the arrow keys, once a press and not while one is held", async () => {
  await show();
  const pad = panel.find("[role=group][aria-label='Move the head']");
  await pad.trigger("keydown", { key: "ArrowLeft" });
  await pad.trigger("keydown", { key: "PageUp" });
  await pad.trigger("keydown", { key: "ArrowLeft", repeat: true });
  await pad.trigger("keydown", { key: "ArrowRight", ctrlKey: true });
  expect(sent()).toEqual([
    { kind: "jog", body: { x: -10 } }, { kind: "jog", body: { z: 10 } },
  ]);
  why.value = "prints";
  await pad.trigger("keydown", { key: "ArrowUp" });
  expect(send).toHaveBeenCalledTimes(2);
});

it("shows the printer's own values, and not what was asked for", async () => {
  await show();
  expect(panel.find("[data-heater=tool0]").text()).toBe("21 °C (off)");
  await press("Preheat for PLA 210 °C / 60 °C");
  expect(sendAll).toHaveBeenCalledExactlyOnceWith([
    { kind: "heat", body: { heater: "tool0", target: 210 } },
    { kind: "heat", body: { heater: "bed", target: 60 } },
  ], false);
  expect(panel.find("[data-heater=tool0]").text()).toBe("21 °C (off)");
  expect(panel.text()).toContain("not homed");
});

it("offers no preheating that is too hot for this printer", async () => {
  await show();
  expect(button("Preheat for PETG 240 °C / 80 °C")).toBeDefined();
  expect(button("Preheat for ABS 245 °C / 100 °C")).toBeUndefined();
});

it("says after five seconds of silence that what it shows may be old", async () => {
  age = 5;
  await show();
  expect(panel.text()).not.toContain("has said nothing");
  panel.unmount();
  age = 12;
  await show();
  expect(panel.text()).toContain("The printer has said nothing for 12 s");
});

it("leaves an object out at the second press alone", async () => {
  vi.useFakeTimers();
  await show();
  await press("Leave out left");
  expect(send).not.toHaveBeenCalled();
  vi.advanceTimersByTime(400);
  await press("Press again: leave out left");
  expect(sent()).toEqual([{ kind: "exclude_object", body: { name: "left" } }]);
});

it("stops at the second press, and asks again after five seconds", async () => {
  vi.useFakeTimers();
  await show(ALL, EmergencyStop);
  await press("Emergency stop");
  vi.advanceTimersByTime(5000);
  await flushPromises();
  await press("Emergency stop");
  expect(stop).not.toHaveBeenCalled();
  await press("Press again: stop");
  expect(stop).toHaveBeenCalledTimes(1);
  expect(panel.text()).toContain("Emergency stop: done");
});
