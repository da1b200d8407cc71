// The figures of the past, where there is more than they are drawn of.
import { QueryClient, VueQueryPlugin } from "@tanstack/vue-query";
import { flushPromises, mount, type VueWrapper } from "@vue/test-utils";
import { createPinia } from "pinia";
import { afterEach, beforeAll, expect, it, vi } from "vitest";

import { i18n, speak } from "@/i18n";

import { filtersOf } from "./filters";
import HistoryFigures from "./HistoryFigures.vue";

let shown: VueWrapper;
beforeAll(() => speak("en", false));
afterEach(() => {
  shown.unmount();
  vi.unstubAllGlobals();
});

async function figures(inTime: number): Promise<string> {
  const job = {
    job_id: "a", number: 1, name: "Shade", customer: null, copies: 1, made: 1,
    due: "2027-01-31T12:00:00Z", finished_at: "2027-01-31T11:00:00Z", late_s: -3600,
  };
  vi.stubGlobal("fetch", async ({ url }: Request) => {
    const lateness = url.includes("lateness");
    return Response.json(lateness ? { items: [job], in_time: inTime, late: 0 } : { items: [] });
  });
  const queryClient = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  const plugins = [createPinia(), i18n, [VueQueryPlugin, { queryClient }] as never];
  const stubs = { RouterLink: true };
  shown = mount(HistoryFigures, { props: { filters: filtersOf({}) }, global: { plugins, stubs } });
  await flushPromises();
  await vi.waitFor(() => expect(shown.text()).toContain("Jobs against what was promised"));
  return shown.text();
}

it("say of how many jobs the lateness is drawn, where it is not all of them", async () => {
  const words = "Shown are the 1 due last. Of all: 1,500 in time, 0 late.";
  expect(await figures(1500)).toContain(words);
});

it("say nothing of it where all jobs are drawn", async () => {
  expect(await figures(1)).not.toContain("due last");
});
