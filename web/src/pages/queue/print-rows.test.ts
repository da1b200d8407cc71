// What is said of one print, and what is offered with it, by the role of whoever looks.
import { VueQueryPlugin } from "@tanstack/vue-query";
import { mount, type VueWrapper } from "@vue/test-utils";
import { createPinia, setActivePinia } from "pinia";
import { afterEach, beforeAll, expect, it } from "vitest";
import { createMemoryHistory, createRouter } from "vue-router";

import { useSession, type Role } from "@/app/session";
import { i18n, speak } from "@/i18n";
import type { LivePrinter } from "@/live/frames";
import { useLive } from "@/live/store";

import PrintRow from "./PrintRow.vue";
import QueuePage from "./QueuePage.vue";

const PRINT = {
  id: "x", number: 7, job_id: "j", copy_no: 1, try_no: 1, state: "needs_attention",
  printer_id: "a", wants_cancel: false, ended_at: null, reason: null, progress: null,
};
const shown: VueWrapper[] = [];
const router = createRouter({
  history: createMemoryHistory(),
  routes: [{ path: "/", component: { render: () => null } }],
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
  const puzzle = { id: "a", number: 1, name: "Left", print_id: "x", needs_attention: true };
  useLive().printers.set("a", puzzle as LivePrinter);
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

it("says of a print that it is being cancelled from the word on until it has ended", () => {
  const cancelled = { state: "printing", wants_cancel: true };
  expect(row("viewer", { state: "printing" }).text()).not.toContain("Being cancelled");
  expect(row("viewer", cancelled).text()).toContain("Being cancelled");
  const once = row("viewer", { ...cancelled, state: "cancelling" }).text();
  expect(once.split("Being cancelled")).toHaveLength(2);
  const over = { ...cancelled, state: "completed", ended_at: "2026-11-28T02:31:08Z" };
  expect(row("viewer", over).text()).not.toContain("Being cancelled");
});
