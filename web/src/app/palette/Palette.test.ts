// The palette as people with each role use it, by keys, before a server that is made of answers.
import { QueryClient, VueQueryPlugin } from "@tanstack/vue-query";
import { flushPromises, mount, type VueWrapper } from "@vue/test-utils";
import { createPinia } from "pinia";
import { afterEach, beforeAll, beforeEach, expect, it, vi } from "vitest";
import { defineComponent, h } from "vue";
import { createMemoryHistory, createRouter, type Router } from "vue-router";

import { useSession, type Me, type Role } from "@/app/session";
import { i18n, speak } from "@/i18n";
import type { LiveJob, LivePrinter } from "@/live/frames";
import { useLive } from "@/live/store";

import Palette from "./Palette.vue";

const PRINTERS = [
  { id: "a", number: 1, name: "Alder", link: "online", activity: "paused", print_id: "x" },
  { id: "b", number: 2, name: "Birch", link: "offline", activity: "unknown", print_id: null },
].map((one) => ({ enabled: true, bed: "clear", ...one }) as unknown as LivePrinter);
const job = (number: number, name: string) =>
  ({ id: `job-${number}`, number, name, state: "queued", customer: null, reference: null });
const FILE = { id: "f1", name: "bracket.gcode" };

const fetched = vi.fn<(request: Request) => Promise<Response>>();
const help = vi.fn();
let shown: VueWrapper | null = null;
let router: Router;

const nothing = { render: () => null };
const NAMES = ["farm", "queue", "files", "history", "printer-add", "sign-in"];

async function answer(request: Request): Promise<Response> {
  const { pathname } = new URL(request.url);
  if (pathname === "/api/v1/queue") return Response.json({ items: [], stopped: false });
  if (pathname === "/api/v1/files") return Response.json({ items: [FILE] });
  if (pathname === "/api/v1/jobs/4711") return Response.json(job(4711, "an old vase"));
  if (pathname === "/api/v1/jobs") return Response.json({ items: [job(8, "forty hinges")] });
  return Response.json({ code: "job_not_found", detail: "", hint: "" }, {
    status: 404,
    headers: { "content-type": "application/problem+json" },
  });
}

async function open(role: Role): Promise<void> {
  router = createRouter({
    history: createMemoryHistory(),
    routes: [
      ...NAMES.map((name) => ({ path: `/${name}`, name, component: nothing })),
      { path: "/printers/:id", name: "printer", component: nothing },
      { path: "/jobs/:id", name: "job", component: nothing },
      { path: "/", component: nothing },
      { path: "/settings/:part", name: "settings", component: nothing },
    ],
  });
  const frame = defineComponent(() => {
    useSession().me = { name: "ann", role, groups: null } as Me;
    const live = useLive();
    for (const one of PRINTERS) live.printers.set(one.id, one);
    live.jobs.set("job-9", job(9, "nine gears") as unknown as LiveJob);
    return () => h(Palette, { open: true, help });
  });
  const queryClient = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  const plugins = [createPinia(), i18n, [VueQueryPlugin, { queryClient }] as never, router];
  shown = mount(frame, { global: { plugins }, attachTo: document.body });
  await flushPromises();
}

beforeAll(() => speak("en", false));
beforeEach(() => {
  vi.stubGlobal("fetch", fetched);
  fetched.mockImplementation(answer);
});
afterEach(() => {
  shown?.unmount();
  shown = null;
  document.body.innerHTML = "";
  vi.unstubAllGlobals();
});

const box = () => document.querySelector("[role=combobox]") as HTMLInputElement;
const options = () => [...document.querySelectorAll("[role=option]")];
const texts = () => options().map((one) => one.textContent?.trim().replace(/\s+/g, " "));
const chosen = () => document.querySelector("[role=option][aria-selected=true]");
async function type(text: string): Promise<void> {
  box().value = text;
  box().dispatchEvent(new Event("input"));
  await flushPromises();
}
async function press(key: string): Promise<void> {
  box().dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  await flushPromises();
}

it("offers pages and what the role allows at first, and asks for no list", async () => {
  await open("viewer");
  expect(texts()).toContain("Queue");
  for (const word of ["New order", "Upload files", "Add a printer", "Stop the farm"]) {
    expect(texts()).not.toContain(word);
  }
  expect(fetched).not.toHaveBeenCalled();
  shown?.unmount();
  await open("operator");
  expect(texts()).toEqual(expect.arrayContaining(["New order", "Upload files", "Stop the farm"]));
  expect(fetched.mock.calls.map(([one]) => new URL(one.url).pathname)).toEqual(["/api/v1/queue"]);
});

it("finds a printer by its name or the word of its state, and goes there with Enter", async () => {
  await open("viewer");
  await type("paused");
  expect(texts()[0]).toBe("Alder Paused");
  await type("ald");
  expect(box().getAttribute("aria-activedescendant")).toBe(chosen()?.id);
  const pushed = vi.spyOn(router, "push");
  await press("Enter");
  await vi.waitFor(() => expect(pushed).toHaveBeenCalled());
  expect(pushed).toHaveBeenCalledWith({ name: "printer", params: { id: "a" } });
});

it("is walked through by the arrows, round and round", async () => {
  await open("viewer");
  const all = options();
  expect(chosen()).toBe(all[0]);
  await press("ArrowDown");
  expect(chosen()).toBe(all[1]);
  await press("ArrowUp");
  await press("ArrowUp");
  expect(chosen()).toBe(all.at(-1));
  expect(box().getAttribute("aria-activedescendant")).toBe(all.at(-1)?.id);
  await press("ArrowDown");
  expect(chosen()).toBe(all[0]);
});

it("finds jobs and files of the server's lists, each once, and any job by its number", async () => {
  await open("viewer");
  await type("gears");
  await vi.waitFor(() => expect(texts()).toEqual(["nine gears Job 9 · Waiting"]));
  await type("hinges");
  await vi.waitFor(() => expect(texts()).toEqual(["forty hinges Job 8 · Waiting"]));
  await type("bracket");
  expect(texts()).toEqual(["bracket.gcode"]);
  await type("4711");
  await vi.waitFor(() => expect(texts()).toEqual(["an old vase Job 4711 · Waiting"]));
  const lists = fetched.mock.calls.filter(([one]) => one.url.includes("limit="));
  expect(lists).toHaveLength(2); // once each, however much is typed
});

it("says what it waits for, what it found, and what failed", async () => {
  let let_go: () => void = () => undefined;
  const held = new Promise<void>((go) => (let_go = go));
  fetched.mockImplementation(async (request) => {
    await held;
    return request.url.includes("/files")
      ? Response.json({ code: "storage_busy", detail: "the database is busy", hint: "Wait." }, {
          status: 503,
          headers: { "content-type": "application/problem+json" },
        })
      : answer(request);
  });
  await open("viewer");
  await type("hinges");
  const status = () => document.querySelector("[role=status]")?.textContent?.trim();
  expect(status()).toBe("Jobs and files are being looked up.");
  let_go();
  await vi.waitFor(() => expect(status()).toBe("One found."), { timeout: 5000 });
  await vi.waitFor(
    () => expect(document.querySelector("[role=alert]")?.textContent).toContain("busy"),
    { timeout: 5000 },
  );
});

it("shows the keys by the function that it was given, after it has gone", async () => {
  await open("viewer");
  await type("keyboard");
  await press("Enter");
  await vi.waitFor(() => expect(help).toHaveBeenCalledOnce());
});
