// Why a print waits, where it may wait no more by the time it is asked about.
import { QueryClient, VueQueryPlugin } from "@tanstack/vue-query";
import { mount, type VueWrapper } from "@vue/test-utils";
import { createPinia } from "pinia";
import { afterEach, beforeAll, beforeEach, expect, it, vi } from "vitest";

import { i18n, speak } from "@/i18n";
import type { LivePrinter, LiveQueue, QueueItem } from "@/live/frames";
import { useLive } from "@/live/store";

import WhyDrawer from "./WhyDrawer.vue";

let asked: string[];
let answers: { waiting: () => Response; print: () => Response };
const shown: VueWrapper[] = [];

const busy = (): Response =>
  new Response(JSON.stringify({ status: 503, code: "busy", detail: "the database is busy" }), {
    status: 503,
    headers: { "content-type": "application/problem+json" },
  });
const unblock = { action: "wait", target: null, params: {}, method: null, path: null };
const reason = { printer_id: "p1", code: "offline", detail: "it is offline", unblock };
const one = { print_id: "x1", job_id: "a" } as QueueItem;

interface Shown {
  live: ReturnType<typeof useLive>;
  queries: QueryClient;
  text: () => string;
}
function show(queue: LiveQueue): Shown {
  const pinia = createPinia();
  const queryClient = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  const wrapper = mount(WhyDrawer, {
    props: { printId: "x1", name: "Shade", open: true },
    global: { plugins: [pinia, i18n, [VueQueryPlugin, { queryClient }] as never] },
    attachTo: document.body,
  });
  shown.push(wrapper);
  const live = useLive(pinia);
  live.printers.set("p1", { id: "p1", name: "Cedar", number: 1 } as LivePrinter);
  live.queue = queue;
  return { live, queries: queryClient, text: () => document.body.textContent ?? "" };
}
const count = (path: string): number => asked.filter((it) => it.endsWith(path)).length;

beforeAll(() => speak("en", false));
beforeEach(() => {
  asked = [];
  answers = {
    waiting: () => Response.json({ items: [] }),
    print: () => Response.json({ id: "x1", state: "printing" }),
  };
  vi.stubGlobal("fetch", async (request: Request) => {
    const { pathname } = new URL(request.url);
    asked.push(pathname);
    return pathname.endsWith("/waiting") ? answers.waiting() : answers.print();
  });
});
afterEach(() => {
  for (const wrapper of shown.splice(0)) wrapper.unmount();
  document.body.innerHTML = "";
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

it("says that a print has started, while the queue shows it still", async () => {
  const { text } = show({ items: [one], total: 1 });
  await vi.waitFor(() => expect(text()).toContain("It does not wait any more."));
  expect(text()).toContain("Printing");
  expect(text()).not.toContain("could take it now");
});

it("says which printers could take a print that nothing holds back", async () => {
  answers.print = () => Response.json({ id: "x1", state: "queued" });
  const { text } = show({ items: [], total: 0 });
  await vi.waitFor(() => expect(text()).toContain("1 of 1 printers could take it now."));
});

it("claims nothing where it cannot be told whether the print waits", async () => {
  answers.print = busy;
  const { text } = show({ items: [one], total: 1 });
  await vi.waitFor(() => expect(text()).toContain("the database is busy"));
  expect(text()).not.toContain("could take it now");
});

it("keeps what it showed where asking again fails", async () => {
  answers.waiting = () => Response.json({ items: [reason] });
  const { text, queries } = show({ items: [one], total: 1 });
  await vi.waitFor(() => expect(text()).toContain("0 of 1 printers could take it now."));
  answers.waiting = busy;
  await queries.refetchQueries({ queryKey: ["waiting"] });
  await vi.waitFor(() => expect(text()).toContain("the database is busy"));
  expect(text()).toContain("0 of 1 printers could take it now.");
});

it("asks once a second where the queue changes all the time", async () => {
  answers.waiting = () => Response.json({ items: [reason] });
  vi.useFakeTimers();
  const { live } = show({ items: [one], total: 1 });
  await vi.advanceTimersByTimeAsync(1100);
  const before = count("/waiting");
  for (let times = 0; times < 10; times += 1) {
    live.queue = { items: [one], total: 1 };
    await vi.advanceTimersByTimeAsync(100);
  }
  expect(count("/waiting") - before).toBeLessThanOrEqual(2);
  expect(count("/waiting")).toBeGreaterThan(before);
});
