// What a printer's head says of a state that its one word does not explain.
import { mount, type VueWrapper } from "@vue/test-utils";
import { createPinia, setActivePinia } from "pinia";
import { afterEach, beforeEach, expect, it } from "vitest";

import { i18n, speak } from "@/i18n";
import type { LivePrinter } from "@/live/frames";

import type { Printer } from "./printer";
import PrinterHeader from "./PrinterHeader.vue";

const LIVE = {
  id: "a", name: "Left", enabled: true, maintenance: false, link: "online", activity: "halted",
  powered: true, bed: "clear", bed_version: 1, print_id: null, needs_attention: false,
  problem: "", problem_code: "", hint: "", detail: "MCU 'mcu' shutdown: ADC out of range",
  warnings: [], told_at_s: null,
} as unknown as LivePrinter;
const PRINTER = { id: "a", name: "Left", model: { name: "Voron" } } as Printer;
let head: VueWrapper | undefined;

beforeEach(() => speak("en", false));
afterEach(() => head?.unmount());

function shown(changes: Partial<LivePrinter> = {}): string {
  const pinia = createPinia();
  setActivePinia(pinia);
  head?.unmount();
  head = mount(PrinterHeader, {
    global: { plugins: [i18n, pinia] },
    props: { printer: PRINTER, live: { ...LIVE, ...changes } },
  });
  return head.text();
}

it.each(["halted", "unknown", "busy"] as const)("says why it is %s", (activity) => {
  expect(shown({ activity })).toContain("ADC out of range");
});

it("says nothing more of what a word explains, and nothing twice", () => {
  expect(shown({ activity: "idle" })).not.toContain("ADC out of range");
  const text = shown({ problem: "the link broke", detail: "the link broke" });
  expect(text.match(/the link broke/gi)).toHaveLength(1);
});

it("quotes what the printer says in a language that is not spoken here", async () => {
  await speak("de", false);
  shown();
  expect(head?.find("q").text()).toContain("ADC out of range");
});
