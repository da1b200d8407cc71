// All printers, as they are now.
import { VueQueryPlugin } from "@tanstack/vue-query";
import { flushPromises, mount } from "@vue/test-utils";
import { createPinia } from "pinia";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { createMemoryHistory, createRouter } from "vue-router";

import { i18n, speak } from "@/i18n";
import type { LivePrinter } from "@/live/frames";
import { useLive } from "@/live/store";

import PrintersSection from "./PrintersSection.vue";

const described = (id: string, number: number) => ({
  id, number, name: `Printer ${number}`, driver: "paper", model: {}, group: null, location: null,
  link: "online", activity: "idle", bed: "clear", enabled: true, maintenance: false,
  needs_attention: false, print_id: null,
});

beforeEach(async () => {
  await speak("en", false);
  const fetched = async ({ url }: Request) =>
    url.includes("cursor=")
      ? Response.json({ items: [described("b", 2)], next_cursor: null })
      : Response.json({ items: [described("a", 1)], next_cursor: "1" });
  vi.stubGlobal("fetch", fetched);
});
afterEach(() => void vi.unstubAllGlobals());

it("reads all pages, and shows how each printer is now, not how it was", async () => {
  const pinia = createPinia();
  const routes = [{ path: "/", component: { render: () => null } }];
  const router = createRouter({ history: createMemoryHistory(), routes });
  const plugins = [i18n, pinia, router, VueQueryPlugin];
  const page = mount(PrintersSection, { global: { plugins } });
  await flushPromises();
  const states = () => page.findAll("tbody tr").map((row) => row.findAll("td, th")[2]?.text());
  expect(states()).toEqual(["Ready", "Ready"]);
  const now = { ...described("b", 2), link: "offline", told_at_s: 1 };
  useLive(pinia).printers.set("b", now as unknown as LivePrinter);
  await flushPromises();
  expect(states()).toEqual(["Ready", "Offline"]);
  page.unmount();
});
