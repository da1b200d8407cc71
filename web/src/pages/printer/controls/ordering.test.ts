// Orders as they leave the page: the panel and the stop, by the real way to a server that is slow,
// silent or cut off.
import { mount, type VueWrapper } from "@vue/test-utils";
import { createPinia, setActivePinia } from "pinia";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { h, shallowRef } from "vue";

import { PATIENCE_MS } from "@/api/printer-orders";
import { i18n, speak } from "@/i18n";
import type { LivePrinter } from "@/live/frames";
import { useLive } from "@/live/store";

import type { Printer } from "../printer";
import { CONTROLS, type Controls } from "./context";
import ControlsPanel from "./ControlsPanel.vue";
import EmergencyStop from "./EmergencyStop.vue";
import { makeSender, type Order } from "./sending";

const LIVE = {
  temperatures: { tool0: { actual: 200, target: 200 }, bed: { actual: 60, target: 60 } },
} as unknown as LivePrinter;
const OPEN = "nobody knows yet whether it was done";
interface Sent { path: string; key: string | null; body: string }
const sent: Sent[] = [];
/** How the server answers an order, and how the command then stands. */
let take: (one: Sent, request: Request) => Response | Promise<Response>;
let look: () => Response;
let page: VueWrapper;

const taken = () => Response.json({ command_id: "c" }, { status: 202 });
const stands = (state: string) => Response.json({ state, kind: "home", answer: null });
function refusal(status: number, code: string): Response {
  const headers = { "content-type": "application/problem+json" };
  return new Response(JSON.stringify({ code, detail: `${code} it says` }), { status, headers });
}
async function serve(request: Request): Promise<Response> {
  const { pathname } = new URL(request.url);
  if (request.method === "GET") return look();
  const path = pathname.replace("/api/v1/printers/a/", "");
  const key = request.headers.get("Idempotency-Key");
  const one = { path, key, body: await request.clone().text() };
  sent.push(one);
  return take(one, request);
}

const pass = async (ms = 0) => void (await vi.advanceTimersByTimeAsync(ms));
async function press(name: string): Promise<void> {
  const named = (one: { text(): string; attributes(key: string): string | undefined }) =>
    [one.text(), one.attributes("aria-label")].includes(name);
  const found = page.findAll("button").find(named);
  if (found === undefined) throw new Error(`there is no button ${name}`);
  await found.trigger("click");
  await pass(1);
}
async function pressStop(): Promise<void> {
  await press("Emergency stop");
  await press("Press again: stop");
}
const paths = () => sent.map(({ path }) => path);

beforeEach(async () => {
  await speak("en", false);
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance", "Date"] });
  vi.stubGlobal("fetch", serve);
  sent.length = 0;
  take = taken;
  look = () => stands("answered");
  const sender = makeSender(() => true);
  const controls = {
    feed: { lines: shallowRef([]), levels: shallowRef(null), connection: shallowRef("live") },
    equipment: shallowRef(undefined),
    can: (what: string) => ["home", "heat"].includes(what),
    denied: () => null,
    send: (order: Order) => sender.send("a", order),
    sendAll: (orders: readonly Order[], each?: boolean) => sender.sendAll("a", orders, each),
    stop: () => sender.stop("a"),
  } as unknown as Controls;
  const pinia = createPinia();
  setActivePinia(pinia);
  useLive().ageOf = () => 0;
  const props = { printer: { model: {} } as unknown as Printer, live: LIVE };
  const both = () => [h(EmergencyStop), h(ControlsPanel, props)];
  page = mount(both, { global: { plugins: [i18n, pinia], provide: { [CONTROLS]: controls } } });
  await pass();
});
afterEach(() => {
  page.unmount();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
  vi.useRealTimers();
});

it.each(["unknown", "settled", "sent"])("says of a command that is %s that nobody knows", async (
  state,
) => {
  look = () => stands(state);
  await press("Home all");
  await pass(PATIENCE_MS + 1_000);
  expect(page.text()).toContain(`Home all: ${OPEN}`);
  expect(page.text()).not.toContain("not done");
});

it("does not claim that an order was not done whose answer was lost", async () => {
  take = () => { throw new TypeError("the line is cut"); };
  await press("Home all");
  expect(page.text()).toContain(`Home all: ${OPEN}`);
});

it("says that a refused order was not done", async () => {
  take = () => refusal(409, "printer_prints");
  await press("Home all");
  expect(page.text()).toContain("Home all: not done.");
});

it("goes on looking for a stop whose record is not there yet", async () => {
  look = () => refusal(404, "not_found");
  await pressStop();
  await pass(5_000);
  expect(page.text()).toContain("Emergency stop: being done");
  look = () => stands("answered");
  await pass(1_000);
  expect(page.text()).toContain("Emergency stop: done");
});

it("says after the patience that of a stop without a record nobody knows", async () => {
  look = () => refusal(404, "not_found");
  await pressStop();
  await pass(PATIENCE_MS + 1_000);
  expect(page.text()).toContain(`Emergency stop: ${OPEN}`);
});

it("sends a stop at each double press, also while the one before is waited for", async () => {
  look = () => stands("sent");
  await pressStop();
  await pressStop();
  expect(paths()).toEqual(["emergency-stop", "emergency-stop"]);
  look = () => stands("answered");
  await pass(1_000);
  expect(page.text()).toContain("Emergency stop: done");
});

it("tells of the last stop alone", async () => {
  let fail: () => void = () => undefined;
  take = () => new Promise((_, reject) => (fail = () => reject(new TypeError("cut"))));
  await pressStop();
  take = taken;
  await pressStop();
  fail();
  await pass(1_000);
  expect(page.text()).toContain("Emergency stop: done");
  expect(page.find("[role=alert]").exists()).toBe(false);
});

it("says ten seconds after a stop which the server does not take that nobody knows", async () => {
  const late = new AbortController();
  const timeout = vi.spyOn(AbortSignal, "timeout").mockReturnValue(late.signal);
  take = (_, { signal }) => new Promise((_resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason));
  });
  await pressStop();
  expect(timeout).toHaveBeenCalledExactlyOnceWith(10_000);
  late.abort(new DOMException("too late", "TimeoutError"));
  await pass(1_000);
  expect(page.text()).toContain(`Emergency stop: ${OPEN}`);
  expect(page.text()).toContain("The printer has not answered yet.");
});

it("heats nothing any more after a stop between the two targets of a preheating", async () => {
  look = () => stands("sent");
  await press("Preheat for PLA 210 °C / 60 °C");
  await pressStop();
  look = () => stands("answered");
  await pass(2_000);
  expect(paths()).toEqual(["temperature", "emergency-stop"]);
  expect(page.text()).toContain("Preheat for PLA: not done.");
});

it("turns every heater off although one fails, and says the first failure", async () => {
  take = ({ body }) => refusal(409, body.includes("tool0") ? "nozzle_stuck" : "bed_stuck");
  await press("All heaters off");
  await pass(1_000);
  expect(sent.map(({ body }) => JSON.parse(body))).toEqual([
    { heater: "tool0", target: 0 }, { heater: "bed", target: 0 },
  ]);
  expect(page.text()).toContain("All heaters off: not done.");
  expect(page.find("[role=alert]").text()).toContain("nozzle_stuck it says");
  expect(page.text()).not.toContain("bed_stuck");
});

it("preheats nothing more after the first target that fails", async () => {
  take = () => refusal(409, "nozzle_stuck");
  await press("Preheat for PLA 210 °C / 60 °C");
  await pass(1_000);
  expect(paths()).toEqual(["temperature"]);
});

const homes = () => sent.filter(({ path }) => path === "home").map(({ key }) => key);
const cut = () => { throw new TypeError("the line is cut"); };

it("takes for the same order what is pressed again within a minute of a cut line", async () => {
  take = cut;
  await press("Home all");
  await pass(59_000);
  take = taken;
  await press("Home all");
  expect(new Set(homes()).size).toBe(1);
});

it("takes for another order what is pressed again more than a minute later", async () => {
  take = cut;
  await press("Home all");
  await pass(60_000);
  take = taken;
  await press("Home all");
  expect(homes()).toHaveLength(2);
  expect(new Set(homes()).size).toBe(2);
});

it("takes for another order what is pressed again after a stop", async () => {
  take = cut;
  await press("Home all");
  take = taken;
  await pressStop();
  await press("Home all");
  expect(homes()).toHaveLength(2);
  expect(new Set(homes()).size).toBe(2);
});

it("keeps no key of an order that a stop has overtaken on its way", async () => {
  let fail: () => void = () => undefined;
  take = () => new Promise((_, reject) => (fail = () => reject(new TypeError("cut"))));
  await press("Home all");
  take = taken;
  await pressStop();
  fail();
  await pass(1_000);
  await press("Home all");
  expect(homes()).toHaveLength(2);
  expect(new Set(homes()).size).toBe(2);
});
