// The page of the queue beside a farm that says something all the time.
import { QueryClient, VueQueryPlugin } from "@tanstack/vue-query";
import { mount } from "@vue/test-utils";
import { createPinia } from "pinia";
import { beforeAll, expect, it, vi } from "vitest";
import { nextTick, type ComponentPublicInstance } from "vue";
import { createMemoryHistory, createRouter } from "vue-router";

import { i18n, speak } from "@/i18n";
import type { LivePrinter } from "@/live/frames";
import { useLive } from "@/live/store";

import QueuePage from "./QueuePage.vue";
import RunningRow from "./RunningRow.vue";

beforeAll(() => speak("en", false));

it("is made anew when another printer prints, and not when one says how warm it is", async () => {
  vi.stubGlobal("fetch", () => new Promise(() => undefined));
  let renders = 0;
  const mixin = {
    updated(this: ComponentPublicInstance) {
      if (this.$options.__name === "QueuePage") renders += 1;
    },
  };
  const pinia = createPinia();
  const router = createRouter({
    history: createMemoryHistory(),
    routes: [{ path: "/", component: { render: () => null } }],
  });
  const query = [VueQueryPlugin, { queryClient: new QueryClient() }] as never;
  const live = useLive(pinia);
  live.known = true;
  const tell = (id: string, number: number, more: Partial<LivePrinter>): unknown =>
    live.printers.set(id, { id, number, name: id, print_id: id, ...more } as LivePrinter);
  tell("a", 1, { progress: 0.1 });
  tell("b", 2, { needs_attention: true });
  const global = { plugins: [pinia, i18n, router, query], mixins: [mixin] };
  const page = mount(QueuePage, { shallow: true, global });
  await nextTick();
  renders = 0;
  for (const progress of [0.2, 0.3]) {
    tell("a", 1, { progress });
    tell("b", 2, { needs_attention: true, progress });
    await nextTick();
  }
  expect(renders).toBe(0);
  tell("c", 3, {});
  await nextTick();
  expect(renders).toBe(1);
  expect(page.findAllComponents(RunningRow)).toHaveLength(2);
  page.unmount();
  vi.unstubAllGlobals();
});
