// Whether the farm is stopped, as it is by now.
import { VueQueryPlugin } from "@tanstack/vue-query";
import { flushPromises, mount } from "@vue/test-utils";
import { createPinia } from "pinia";
import { afterEach, expect, it, vi } from "vitest";
import { createMemoryHistory, createRouter } from "vue-router";

import { i18n, speak } from "@/i18n";
import { useLive } from "@/live/store";

import FarmSwitch from "./FarmSwitch.vue";

afterEach(() => void vi.unstubAllGlobals());

it("asks anew once everything was told anew: the stop may have passed unheard", async () => {
  await speak("en", false);
  let stopped = false;
  vi.stubGlobal("fetch", async () => Response.json({ stopped, items: [], total: 0 }));
  const pinia = createPinia();
  const live = useLive(pinia);
  live.known = true;
  const routes = [{ path: "/", component: { render: () => null } }];
  const router = createRouter({ history: createMemoryHistory(), routes });
  const panel = mount(FarmSwitch, { global: { plugins: [i18n, pinia, router, VueQueryPlugin] } });
  await flushPromises();
  expect(panel.text()).not.toContain("The whole farm is stopped");
  stopped = true;
  live.anew += 1;
  await flushPromises();
  expect(panel.text()).toContain("The whole farm is stopped");
  panel.unmount();
});
