// What is said of one print, and what is offered with it, by the role of whoever looks.
import { VueQueryPlugin } from "@tanstack/vue-query";
import { mount, type VueWrapper } from "@vue/test-utils";
import { createPinia, setActivePinia } from "pinia";
import { afterEach, beforeAll, expect, it } from "vitest";
import { nextTick } from "vue";
import { createMemoryHistory, createRouter } from "vue-router";

import { useSession, type Role } from "@/app/session";
import { i18n, speak } from "@/i18n";
import type { LivePrinter } from "@/live/frames";
import { useLive } from "@/live/store";

import PrintRow from "./PrintRow.vue";
import QueuePage from "./QueuePage.vue";
import RunningRow from "./RunningRow.vue";

const PRINT = {
  id: "x", number: 7, job_id: "j", copy_no: 1, try_no: 1, state: "needs_attention",
  printer_id: "a", wants_cancel: false, ended_at: null, reason: null, progress: null,
};
const PUZZLE = {
  id: "a", number: 1, name: "Left", print_id: "x", needs_attention: true, told_at_s: null,
  progress: null, time_left_s: null,
};
const shown: VueWrapper[] = [];
const router = createRouter({
  history: createMemoryHistory(),
  routes: [
    { path: "/", component: { render: () => null } },
    { path: "/jobs/:id", name: "job", component: { render: () => null } },
  ],
});

function show(component: object, role: Role, props = {}, shallow = false): VueWrapper {
  const pinia = createPinia();
  setActivePinia(pinia);
  const plugins = [pinia, i18n, router, VueQueryPlugin];
  const signedIn = {
    render: () => null,
    setup: () => void (useSession().me = { name: "ann", role } as never),
  };
  mount(signedIn, { global: { plugins } });
  useLive().known = true;
  useLive().printers.set("a", PUZZLE as LivePrinter);
  const global = { plugins, stubs: { Button: false } };
  const page = mount(component, { props, shallow, global });
  shown.push(page);
  return page;
}
const row = (role: Role, changes = {}) => show(PrintRow, role, { print: { ...PRINT, ...changes } });
const buttons = (page: VueWrapper) => page.findAll("button").map((one) => one.text());
const leave = () => shown.splice(0).forEach((one) => one.unmount());

beforeAll(() => speak("en", false));
afterEach(leave);

it("asks for a word on a print only whoever may give one", () => {
  expect(buttons(row("operator"))).toEqual(["Say what happened"]);
  expect(buttons(row("viewer"))).toEqual(["What is known"]);
  expect(buttons(show(QueuePage, "operator", {}, true))).toContain("Say what happened");
  leave();
  expect(buttons(show(QueuePage, "viewer", {}, true))).toEqual(["What is known"]);
});

it("says of a print as what it has ended until that counts", () => {
  const over = { state: "printing", wanted_verdict: "failed", wants_cancel: true };
  expect(row("viewer", over).text()).toContain("Has ended: Failed");
  expect(row("viewer", over).text()).not.toContain("Being cancelled");
  const counted = { ...over, state: "failed", ended_at: "2026-01-01T00:00:00Z" };
  expect(row("viewer", counted).text()).not.toContain("Has ended");
});

it("says of a print that it is being cancelled from the word on until it has ended", () => {
  const cancelled = { state: "printing", wants_cancel: true };
  expect(row("viewer", { state: "printing" }).text()).not.toContain("Being cancelled");
  expect(row("viewer", cancelled).text()).toContain("Being cancelled");
  const once = row("viewer", { ...cancelled, state: "cancelling" }).text();
  expect(once.split("Being cancelled")).toHaveLength(2);
  const over = { ...cancelled, state: "completed", ended_at: "2026-11-28T02:31:08Z" };
  expect(row("viewer", over).text()).not.toContain("Being cancelled");
});

it("says how old the progress of a print is, once it is older than 5 s", async () => {
  const age = () => shown.at(-1)?.text();
  const told = async (seconds: number) => {
    const running = { ...PUZZLE, needs_attention: false, progress: 0.5 };
    const at = performance.now() / 1000 - seconds;
    useLive().printers.set("a", { ...running, told_at_s: at } as LivePrinter);
    await nextTick();
  };
  for (const [component, props] of [
    [RunningRow, { printerId: "a" }],
    [PrintRow, { print: { ...PRINT, state: "printing" } }],
  ] as const) {
    show(component, "viewer", props);
    await told(4);
    expect(age()).not.toContain("old");
    await told(70);
    expect(age()).toContain("1 min old");
  }
});
