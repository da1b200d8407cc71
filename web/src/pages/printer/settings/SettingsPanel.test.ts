// How a printer is set, as people of a language read it.
import { VueQueryPlugin } from "@tanstack/vue-query";
import { flushPromises, mount } from "@vue/test-utils";
import { createPinia } from "pinia";
import { afterEach, expect, it, vi } from "vitest";

import { i18n, speak } from "@/i18n";

import type { Printer } from "../printer";
import SettingsPanel from "./SettingsPanel.vue";

afterEach(() => void vi.unstubAllGlobals());

it("writes lengths as the language does", async () => {
  await speak("de", false);
  vi.stubGlobal("fetch", async () => Response.json({ items: [], next_cursor: null }));
  const model = { name: "MK4", build_volume: { x: 250, y: 210.5, z: 220 }, nozzles_mm: [0.4, 0.6] };
  const printer = {
    id: "a", number: 1, name: "Left", driver: "odd", connection: {}, tags: [], group: null,
    location: null, model, created_at: "2025-01-02T00:00:00Z", retired_at: null,
  } as unknown as Printer;
  const plugins = [i18n, createPinia(), VueQueryPlugin];
  const panel = mount(SettingsPanel, { global: { plugins }, props: { printer, live: undefined } });
  await flushPromises();
  const said = panel.findAll("dd").map((one) => one.text());
  expect(said).toContain("0,4 mm, 0,6 mm");
  expect(said).toContain("250 × 210,5 × 220 mm");
  panel.unmount();
});
