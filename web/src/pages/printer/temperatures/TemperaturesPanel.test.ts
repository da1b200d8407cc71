// The past and the present of the temperatures in one table, in the server's time.
import { VueQueryPlugin } from "@tanstack/vue-query";
import { flushPromises, mount, type VueWrapper } from "@vue/test-utils";
import { createPinia } from "pinia";
import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { i18n, speak } from "@/i18n";
import type { LivePrinter } from "@/live/frames";
import { useLive } from "@/live/store";

import type { Printer } from "../printer";
import TemperaturesPanel from "./TemperaturesPanel.vue";

vi.mock("./TemperatureChart.vue", () => ({ __esModule: true, default: { render: () => null } }));

const asked: URL[] = [];
let broken = false;
let panel: VueWrapper;
let store: ReturnType<typeof useLive>;
let age = 0;
let first: LivePrinter;

async function answer(request: Request): Promise<Response> {
  const url = new URL(request.url);
  asked.push(url);
  if (broken) return new Response("{}", { status: 503 });
  const second = url.searchParams.get("since") === "more";
  const at = new Date(Date.now() - (second ? 60_000 : 120_000)).toISOString();
  const temperatures = { tool0: { actual: second ? 101 : 100, target: 215 } };
  return Response.json({ items: [{ at, temperatures }], next_cursor: second ? null : "more" });
}
const live = (actual: number) =>
  ({ temperatures: { tool0: { actual, target: 215 } }, told_at_s: 1 }) as unknown as LivePrinter;

async function show(): Promise<void> {
  first = live(102);
  const props = { printer: { id: "a" } as Printer, live: first };
  const pinia = createPinia();
  store = useLive(pinia);
  store.ageOf = () => age;
  const once = { queryClientConfig: { defaultOptions: { queries: { retry: false } } } };
  const queries: [typeof VueQueryPlugin, object] = [VueQueryPlugin, once];
  panel = mount(TemperaturesPanel, { global: { plugins: [i18n, pinia, queries] }, props });
  await flushPromises();
}

beforeEach(async () => {
  await speak("en", false);
  asked.length = 0;
  broken = false;
  vi.stubGlobal("fetch", vi.fn(answer));
  age = 0;
  await show();
});
afterEach(() => {
  panel.unmount();
  vi.unstubAllGlobals();
});

const rows = () =>
  panel.findAll("tbody tr").map((row) => row.findAll("td")[1]?.text());

it("shows all that was written down and what came since, the newest first", async () => {
  expect(asked).toHaveLength(2);
  await panel.find("[role=switch]").trigger("click");
  expect(rows()).toEqual(["102 °C / 215 °C", "101 °C / 215 °C", "100 °C / 215 °C"]);
  await panel.setProps({ live: live(103) });
  expect(rows()[0]).toBe("103 °C / 215 °C");
});

it("asks for another span, and shows no more than it", async () => {
  const before = asked[0]?.searchParams.get("since") ?? "";
  await panel.find("select").setValue("21600");
  await flushPromises();
  const since = asked[2]?.searchParams.get("since") ?? "";
  expect(Date.parse(before) - Date.parse(since)).toBeGreaterThan(17_000_000);
});

it("places what an absent printer said last where it said it", async () => {
  panel.unmount();
  age = 3600;
  await show();
  await panel.find("[role=switch]").trigger("click");
  expect(rows()).toEqual(["101 °C / 215 °C", "100 °C / 215 °C", "102 °C / 215 °C"]);
});

it("has a point of a heater that stays as it is", async () => {
  await panel.find("[role=switch]").trigger("click");
  age = -5; // time went on
  await panel.setProps({ live: { ...first, told_at_s: 6 } });
  expect(rows()).toHaveLength(4);
});

it("reads anew once it listens again", async () => {
  store.connection = "lost";
  await flushPromises();
  const before = asked.length;
  store.connection = "live";
  await flushPromises();
  expect(asked.length).toBe(before + 2);
});

it("reads anew once everything was told anew, whatever the connection says", async () => {
  const before = asked.length;
  store.anew += 1;
  await flushPromises();
  expect(asked.length).toBe(before + 2);
});

it("keeps what it had read where reading again fails", async () => {
  await panel.find("[role=switch]").trigger("click");
  broken = true;
  store.anew += 1;
  await vi.waitFor(() => expect(panel.find("[role=alert]").exists()).toBe(true));
  expect(rows()).toHaveLength(3);
});
