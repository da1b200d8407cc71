// A printer's events: the newest part of the log first, older ones as far as one asks.
import { VueQueryPlugin } from "@tanstack/vue-query";
import { flushPromises, mount, type VueWrapper } from "@vue/test-utils";
import { createPinia, type Pinia } from "pinia";
import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { i18n, speak } from "@/i18n";
import { KEPT_EVENTS } from "@/live/board";
import { useLive } from "@/live/store";

import type { Printer } from "../printer";
import EventsPanel from "./EventsPanel.vue";

const LAST = 45;
const asked: URL[] = [];
let broken = false;
let pinia: Pinia;
let panel: VueWrapper;

/** The log is of one printer: an event for each place. */
async function answer(request: Request): Promise<Response> {
  const url = new URL(request.url);
  asked.push(url);
  if (broken) return new Response("{}", { status: 503 });
  const limit = Number(url.searchParams.get("limit"));
  const from = Math.min(LAST, Number(url.searchParams.get("before")) - 1);
  const count = Math.min(limit, from);
  const items = Array.from({ length: count }, (_, back) => ({
    seq: from - back, id: String(from - back), at: "2026-01-01T00:00:00Z",
    kind: "print.printing", printer_id: "a", job_id: null, print_id: null,
    data: { number: from - back },
  }));
  const more = count === limit;
  const read_to = more ? from - count + 1 : 0;
  return Response.json({ items, next_cursor: more ? String(read_to) : null, log: "l", read_to });
}

beforeEach(async () => {
  await speak("en", false);
  asked.length = 0;
  broken = false;
  vi.stubGlobal("fetch", vi.fn(answer));
  pinia = createPinia();
  useLive(pinia).known = true;
  const once = { queryClientConfig: { defaultOptions: { queries: { retry: false } } } };
  const queries: [typeof VueQueryPlugin, object] = [VueQueryPlugin, once];
  const global = { plugins: [i18n, pinia, queries] };
  panel = mount(EventsPanel, { global, props: { printer: { id: "a" } as Printer } });
  await flushPromises();
});
afterEach(() => {
  panel.unmount();
  vi.unstubAllGlobals();
});

const numbers = (): number[] =>
  panel.findAll("li").map((one) => Number(/Print (\d+)/.exec(one.text())?.[1]));
const older = () => panel.findAll("button").find((one) => one.text() === "Load older");

it("reads one part from the log's end, and the older ones when asked, each once", async () => {
  expect(asked).toHaveLength(1);
  expect(numbers()).toEqual(Array.from({ length: 20 }, (_, back) => LAST - back));
  await older()?.trigger("click");
  await flushPromises();
  await older()?.trigger("click");
  await flushPromises();
  expect(numbers()).toEqual(Array.from({ length: LAST }, (_, back) => LAST - back));
  expect(asked.map((url) => url.searchParams.get("before")).slice(1)).toEqual(["26", "6"]);
  expect(older()).toBeUndefined();
});

it("keeps what is shown where older ones do not come, and says so", async () => {
  broken = true;
  await older()?.trigger("click");
  await vi.waitFor(() => expect(panel.html()).toContain(`role="alert"`));
  expect(numbers()).toHaveLength(20);
  expect(older()).toBeDefined();
});

it("reads the log anew once everything was told anew: some events passed unheard", async () => {
  const live = useLive(pinia);
  expect(asked).toHaveLength(1);
  live.anew += 1;
  await flushPromises();
  expect(asked).toHaveLength(2);
});

function tell(printer_id: string, from: number, count: number): void {
  const told = Array.from({ length: count }, (_, at) => ({
    seq: from + at, id: String(from + at), at: "2026-01-01T00:00:00Z", kind: "print.printing",
    printer_id, job_id: null, print_id: null, data: { number: from + at },
  }));
  useLive(pinia).events = told.slice(-KEPT_EVENTS) as never;
}

it("keeps what it heard of its printer, however much others say", async () => {
  tell("a", 46, 1);
  await flushPromises();
  tell("b", 47, KEPT_EVENTS);
  await flushPromises();
  expect(numbers()[0]).toBe(46);
});

it("reads the log anew rather than keep all that it heard", async () => {
  for (let part = 0; part < 3; part += 1) {
    tell("a", 1000 + part * 190, 190);
    await flushPromises();
  }
  expect(asked.length).toBe(2);
  expect(numbers()).toEqual(Array.from({ length: 20 }, (_, back) => LAST - back));
});

const WORDS = {
  en: ["The server took control of it", "Order abandoned", "Note on a print"],
  de: ["Der Server steuert ihn jetzt", "Befehl fallen gelassen", "Notiz zu einem Druck"],
};
it.each(["en", "de"] as const)("says what happened, and what a person wrote: %s", async (words) => {
  await speak(words, false);
  const plain = { at: "2026-01-01T00:00:00Z", printer_id: "a", job_id: null, print_id: null };
  const told = (seq: number, kind: string, data: object) => ({ ...plain, id: "", seq, kind, data });
  useLive(pinia).events = [
    told(50, "print.noted", { note: "warped at one corner", by: "user kim" }),
    told(51, "command.settled", { command_id: "c" }),
    told(52, "printer.owned", {}),
  ] as never;
  await flushPromises();
  const said = panel.findAll("li > span").map((one) => one.text().replace(/\s+/g, " "));
  const [owned, settled, noted] = WORDS[words];
  expect(said.slice(0, 3)).toEqual([owned, settled, `${noted} warped at one corner`]);
});
