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

function show(): void {
  const queryClient = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  const plugins = [createPinia(), i18n, [VueQueryPlugin, { queryClient }] as never];
  const stubs = { RouterLink: true };
  shown = mount(HistoryFigures, { props: { filters: filtersOf({}) }, global: { plugins, stubs } });
}

async function figures(inTime: number): Promise<string> {
  const job = {
    job_id: "a", number: 1, name: "Shade", customer: null, copies: 1, made: 1,
    due: "2027-01-31T12:00:00Z", finished_at: "2027-01-31T11:00:00Z", late_s: -3600,
  };
  vi.stubGlobal("fetch", async ({ url }: Request) => {
    const lateness = url.includes("lateness");
    return Response.json(lateness ? { items: [job], in_time: inTime, late: 0 } : { items: [] });
  });
  show();
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

it("put each reason's ends under the words for them", async () => {
  const reason = { key: null, failed: 31, cancelled: 21, not_started: 11, completed: 0 };
  vi.stubGlobal("fetch", async ({ url }: Request) =>
    Response.json({ items: url.includes("by=reason") ? [reason] : [] }),
  );
  show();
  await vi.waitFor(() => expect(shown.find("table").exists()).toBe(true));
  const cells = (of: string): string[] => shown.findAll(`table ${of}`).map((one) => one.text());
  const ends = new Map(cells("thead th").slice(1).map((word, at) => [word, cells("tbody td")[at]]));
  expect(Object.fromEntries(ends)).toEqual({
    Failed: "31", Cancelled: "21", "Never started": "11", Prints: "63",
  });
});
