// A printer's last prints, and what is shown of them where the server does not answer.
import { VueQueryPlugin } from "@tanstack/vue-query";
import { flushPromises, mount } from "@vue/test-utils";
import { createPinia } from "pinia";
import { afterEach, expect, it, vi } from "vitest";
import { createMemoryHistory, createRouter } from "vue-router";

import { i18n, speak } from "@/i18n";
import type { LivePrinter } from "@/live/frames";

import type { Printer } from "../printer";
import PrintsPanel from "./PrintsPanel.vue";

afterEach(() => void vi.unstubAllGlobals());

it("keeps the prints where asking again fails", async () => {
  await speak("en", false);
  let broken = false;
  const print = { id: "x", number: 27, state: "completed", started_at: null, ended_at: null };
  vi.stubGlobal("fetch", async () => {
    if (broken) return new Response("{}", { status: 503 });
    return Response.json({ items: [print], next_cursor: null });
  });
  const routes = [{ path: "/", component: { render: () => null } }];
  const once = { queryClientConfig: { defaultOptions: { queries: { retry: false } } } };
  const queries: [typeof VueQueryPlugin, object] = [VueQueryPlugin, once];
  const router = createRouter({ history: createMemoryHistory(), routes });
  const panel = mount(PrintsPanel, {
    global: { plugins: [i18n, createPinia(), router, queries] },
    props: { printer: { id: "a" } as Printer, live: { print_id: "x" } as LivePrinter },
  });
  await flushPromises();
  expect(panel.text()).toContain("27");
  broken = true;
  await panel.setProps({ live: { print_id: null } as LivePrinter });
  await vi.waitFor(() => expect(panel.find("[role=alert]").exists()).toBe(true));
  expect(panel.text()).toContain("27");
  panel.unmount();
});
