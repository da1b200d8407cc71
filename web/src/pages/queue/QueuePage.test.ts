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

it("keeps the focus beside a job that waits no more", async () => {
  vi.stubGlobal("fetch", () => new Promise(() => undefined));
  const pinia = createPinia();
  const routes = ["/", "/jobs/:id"].map((path) => ({ path, component: { render: () => null } }));
  const router = createRouter({
    history: createMemoryHistory(),
    routes: [{ ...routes[0], name: "queue" }, { ...routes[1], name: "job" }] as never,
  });
  const live = useLive(pinia);
  live.known = true;
  const item = (job_id: string) => ({
    job_id, print_id: `${job_id}-1`, job_number: 1, priority: "normal", waiting_summary: [],
    expected_start: null, printer_id: null, due: null,
  });
  const tell = (...jobs: string[]) =>
    (live.queue = { items: jobs.map(item), total: jobs.length } as never);
  tell("a", "b", "c");
  const global = { plugins: [pinia, i18n, router, VueQueryPlugin] };
  const page = mount(QueuePage, { global, attachTo: document.body });
  await nextTick();
  page.find<HTMLElement>("[data-job=b] a").element.focus();
  const focused = async (...jobs: string[]) => {
    tell(...jobs);
    await vi.waitFor(() => expect(page.findAll("[data-job]")).toHaveLength(jobs.length));
    await nextTick();
    const row = document.activeElement?.closest("[data-job]");
    return row ? row.getAttribute("data-job") : document.activeElement?.tagName;
  };
  expect(await focused("a", "c")).toBe("c");
  expect(document.activeElement?.getAttribute("href")).toBe("/jobs/c");
  expect(await focused()).toBe("H2");
  const puzzle = (needs_attention: boolean) => {
    const printer = { id: "p", number: 1, name: "Left", print_id: "x", needs_attention };
    live.printers.set("p", printer as LivePrinter);
    return nextTick();
  };
  await puzzle(true);
  page.findAll("button").find((one) => one.text() === "What is known")?.element.focus();
  await puzzle(false);
  await nextTick();
  expect(document.activeElement?.tagName).toBe("H1");
  page.unmount();
  vi.unstubAllGlobals();
});
