// What of a console is shown, and what becomes of a line that is typed.
import { VueQueryPlugin } from "@tanstack/vue-query";
import { flushPromises, mount, type VueWrapper } from "@vue/test-utils";
import { createPinia, setActivePinia, type Pinia } from "pinia";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { shallowRef } from "vue";

import { Problem } from "@/api/problem";
import { useSession, type Role } from "@/app/session";
import { i18n, speak } from "@/i18n";

import { CONTROLS, type Controls } from "../controls/context";
import type { Line } from "../controls/feed";
import ConsolePanel from "./ConsolePanel.vue";

const said = (seq: number, text: string, more: Partial<Line> = {}): Line =>
  ({ seq, at: "2026-01-31T12:00:00Z", text, speaker: "printer", error: false, ...more });
const LINES = [
  said(1, "M115", { speaker: "sent" }),
  said(2, "FIRMWARE_NAME:Marlin"),
  said(3, "T:21.0 /0.0 B:22.0 /0.0"),
  said(4, "Heating failed", { error: true }),
];
const lines = shallowRef<readonly Line[]>([]);
const send = vi.fn<Controls["send"]>();
let pinia: Pinia;
let panel: VueWrapper;

async function show(role: Role = "operator", denied: string | null = null): Promise<void> {
  const controls = {
    feed: { lines, levels: shallowRef(null), connection: shallowRef("live") },
    equipment: shallowRef({ suggestions: [{ command: "PURGE_LINE", help: "Purge" }] }),
    can: () => true,
    denied: () => denied,
    send,
  } as unknown as Controls;
  const global = { plugins: [i18n, pinia, VueQueryPlugin], provide: { [CONTROLS]: controls } };
  panel = mount(ConsolePanel, { global, attachTo: document.body });
  useSession().me = { name: "kim", role } as never;
  await flushPromises();
}
const log = () => panel.find("[role=log]");
const input = () => panel.find<HTMLInputElement>("input");
async function type(text: string): Promise<void> {
  await input().setValue(text);
  await panel.find("form").trigger("submit");
  await flushPromises();
}

beforeEach(async () => {
  await speak("en", false);
  pinia = createPinia();
  setActivePinia(pinia);
  lines.value = LINES;
  send.mockReset().mockResolvedValue(undefined);
});
afterEach(() => panel.unmount());

it("marks what was sent and what failed, and hides temperature reports until asked", async () => {
  await show();
  const shown = () => log().findAll("p").map((one) => one.text().replace(/\s+/g, " "));
  expect(shown()[0]).toMatch(/sent:\s*› M115/);
  expect(shown()[2]).toMatch(/Error:\s*Heating failed/);
  expect(shown()).toHaveLength(3);
  await panel.find("[role=switch]").trigger("click");
  expect(shown()).toHaveLength(4);
});

it("follows the newest line until the reader scrolls up", async () => {
  await show();
  const box = log().element;
  Object.defineProperty(box, "scrollHeight", { configurable: true, value: 1000 });
  Object.defineProperty(box, "clientHeight", { configurable: true, value: 200 });
  lines.value = [...LINES, said(5, "ok")];
  await flushPromises();
  expect(box.scrollTop).toBe(1000);
  box.scrollTop = 300;
  await log().trigger("scroll");
  lines.value = [...lines.value, said(6, "ok")];
  await flushPromises();
  expect(box.scrollTop).toBe(300);
  await panel.find("[data-act=follow]").trigger("click");
  await flushPromises();
  expect(box.scrollTop).toBe(1000);
});

it("sends a line, and brings back what was typed before", async () => {
  await show();
  await type("M115");
  await type(" G28 ");
  expect(send.mock.calls.map(([order]) => order)).toEqual([
    { kind: "gcode", body: { lines: ["M115"] } },
    { kind: "gcode", body: { lines: ["G28"] } },
  ]);
  expect(input().element.value).toBe("");
  await input().trigger("keydown", { key: "ArrowUp" });
  expect(input().element.value).toBe("G28");
  await input().trigger("keydown", { key: "ArrowUp" });
  expect(input().element.value).toBe("M115");
  await input().trigger("keydown", { key: "ArrowDown" });
  await input().trigger("keydown", { key: "ArrowDown" });
  expect(input().element.value).toBe("");
});

it("says beside the line why it was refused and what to do, and keeps the line", async () => {
  send.mockRejectedValue(
    new Problem(409, { code: "odd", detail: "not sent", hint: "Use the stop." }),
  );
  await show();
  await type("M112");
  const alert = panel.find("form [role=alert]");
  expect(alert.text()).toContain("Use the stop.");
  expect(alert.text()).toContain("Nothing was changed.");
  expect([input().element.value, input().attributes("aria-invalid")]).toEqual(["M112", "true"]);
});

it("takes the next line while the last is on its way, and says how they stand", async () => {
  let done: () => void = () => undefined;
  send.mockReturnValueOnce(new Promise<void>((resolve) => (done = resolve)));
  await show();
  await type("G28");
  expect(panel.find("form [role=status]").text()).toBe("Lines that wait for the printer: 1");
  await type("M115");
  expect(send).toHaveBeenCalledTimes(2);
  done();
  await flushPromises();
  expect(panel.find("form [role=status]").text()).toContain("the printer has taken it");
});

it("suggests what the host knows", async () => {
  await show();
  await input().setValue("purge");
  await panel.find("form ul button").trigger("click");
  expect(input().element.value).toBe("PURGE_LINE");
});

it("takes no line where the state forbids it, and says why", async () => {
  await show("operator", "halted");
  await type("G28");
  expect(send).not.toHaveBeenCalled();
  expect(panel.text()).toContain("the printer has stopped with an error");
});

it("lets a viewer read, and nothing else", async () => {
  await show("viewer");
  expect(log().text()).toContain("Marlin");
  expect(panel.find("form").exists()).toBe(false);
});
