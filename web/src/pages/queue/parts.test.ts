// What the queue's parts do with the API, in the browser's terms.
import { QueryClient, VueQueryPlugin } from "@tanstack/vue-query";
import { mount, type VueWrapper } from "@vue/test-utils";
import { createPinia, type Pinia } from "pinia";
import { afterEach, beforeAll, beforeEach, expect, it, vi } from "vitest";
import { createApp, h, nextTick, type Component, type SetupContext } from "vue";
import { createMemoryHistory, createRouter } from "vue-router";

import { useSession, type Me } from "@/app/session";
import { i18n, speak } from "@/i18n";
import type { LiveJob, LivePrinter, QueueItem } from "@/live/frames";
import { useLive } from "@/live/store";
import type { MenuEntry } from "@/ui/menu";
import Menu from "@/ui/Menu.vue";
import { useNotices } from "@/ui/notices";

import { provideJobQuestion } from "./job-question";
import JobMenu from "./JobMenu.vue";
import JobPage from "./JobPage.vue";
import JobQuestion from "./JobQuestion.vue";
import type { Reason } from "./reasons";
import ReasonLine from "./ReasonLine.vue";
import ResolveDialog from "./ResolveDialog.vue";
import WaitingList from "./WaitingList.vue";

const notices = useNotices();
const fetched = vi.fn<(request: Request) => Promise<Response>>();
vi.stubGlobal("fetch", fetched);
const router = createRouter({
  history: createMemoryHistory(),
  routes: [
    { path: "/", name: "queue", component: { render: () => null } },
    { path: "/jobs/:id", name: "job", component: { render: () => null } },
  ],
});
const shown: VueWrapper[] = [];
let pinia: Pinia;
let queries: QueryClient;

function signedInAs(role: Me["role"]): void {
  const app = createApp({ render: () => null });
  pinia = createPinia();
  app.use(pinia).use(i18n).use(VueQueryPlugin);
  app.runWithContext(() => (useSession(pinia).me = { name: "ann", role } as Me));
}
/** On a page, which shows what is asked about a job. */
function within(component: Component): Component {
  return {
    inheritAttrs: false,
    setup(_: unknown, { attrs }: SetupContext) {
      const asked = provideJobQuestion();
      const take = (to: typeof asked.value) => (asked.value = to);
      const question = () =>
        h(JobQuestion, { modelValue: asked.value, "onUpdate:modelValue": take });
      return () => [h(component, attrs), question()];
    },
  };
}
function show(component: Component, props: Record<string, unknown>): VueWrapper {
  const plugins = [pinia, i18n, router, [VueQueryPlugin, { queryClient: queries }] as never];
  const wrapper = mount(within(component), { props, global: { plugins }, attachTo: document.body });
  shown.push(wrapper);
  return wrapper;
}
const button = (label: string): HTMLButtonElement | undefined =>
  [...document.querySelectorAll("button")].find((one) => one.textContent?.trim() === label);
const problem = (status: number, code: string, detail: string): Response =>
  new Response(JSON.stringify({ status, code, detail, hint: "" }), {
    status,
    headers: { "content-type": "application/problem+json" },
  });
const soon = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

beforeAll(() => speak("en", false));
beforeEach(() => {
  fetched.mockReset();
  queries = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  signedInAs("operator");
});
afterEach(() => {
  for (const one of shown.splice(0)) one.unmount();
  notices.forget();
  document.body.innerHTML = "";
});

const BED: Reason = {
  printer_id: "p1",
  code: "bed_not_clear",
  detail: "something lies on its bed",
  unblock: {
    action: "clear_bed",
    target: "p1",
    params: { bed_version: 3 },
    method: "POST",
    path: "/api/v1/printers/p1/clear-bed",
  },
};

it("sends the request that removes a reason as the server told it", async () => {
  fetched.mockImplementation(() => Promise.resolve(Response.json({})));
  const line = show(ReasonLine, { reason: BED });
  button("The bed is clear")?.click();
  await vi.waitFor(() => expect(line.findComponent(ReasonLine).emitted("done")).toHaveLength(1));
  const request = fetched.mock.calls[0]?.[0] as Request;
  expect([request.method, new URL(request.url).pathname]).toEqual(["POST", BED.unblock.path]);
  expect(await request.json()).toEqual({ bed_version: 3 });
});

it("says plainly that the bed is another one by now, and claims nothing else", async () => {
  const told = "the bed is at version 7";
  fetched.mockImplementation(async () => problem(409, "bed_changed", told));
  const line = show(ReasonLine, { reason: BED });
  button("The bed is clear")?.click();
  const worded = "Another print has begun on this bed";
  await vi.waitFor(() => expect(line.text()).toContain(worded));
  expect(line.get("[role=alert]").text()).toContain(worded);
  expect(line.get("[role=alert]").text()).toContain("Nothing was changed.");
  expect(line.findComponent(ReasonLine).emitted("done")).toBeUndefined();
});

it("tells the day until which it waits, where that is not today", () => {
  const until = new Date();
  const wait = { action: "wait", target: null, method: null, path: null };
  const said = (): string => {
    const params = { for: "print", until: until.toISOString() };
    return show(ReasonLine, { reason: { ...BED, unblock: { ...wait, params } } }).text();
  };
  until.setFullYear(until.getFullYear() + 1);
  expect(said()).toContain(String(until.getFullYear()));
  until.setFullYear(until.getFullYear() - 1);
  expect(said()).not.toContain(String(until.getFullYear()));
});

it("shows a viewer the reason and no button", () => {
  signedInAs("viewer");
  const line = show(ReasonLine, { reason: BED });
  expect(line.text()).toContain("Something lies on the bed");
  expect(line.find("button").exists()).toBe(false);
});

function item(job: string, position: number): QueueItem {
  const nothing = { due: null, slack_s: null, late: false, expected_start: null };
  return {
    ...nothing,
    print_id: `${job}-1`,
    job_id: job,
    job_number: position,
    copy_no: 1,
    position,
    priority: "normal",
    expected_end: null,
    printer_id: null,
    waiting_summary: [],
  };
}
function waiting(...names: string[]): VueWrapper {
  const live = useLive(pinia);
  for (const name of names) {
    const plain = { name, copies: 1, finished: 0, active: 0, queued: 1, due: null, hold: false };
    live.jobs.set(name, { id: name, priority: "normal", state: "queued", ...plain } as LiveJob);
  }
  return show(WaitingList, { items: names.map((name, at) => item(name, at + 1)) });
}
const order = (list: VueWrapper): (string | undefined)[] =>
  list.findAll("article").map((one) => one.attributes("aria-label"));

it("moves by an arrow key once the server has taken it, says so, and keeps the focus", async () => {
  fetched.mockImplementation(async () => new Response(null, { status: 204 }));
  const list = waiting("a", "b", "c");
  const handle = list.get<HTMLElement>("[data-handle=c]");
  handle.element.focus();
  await handle.trigger("keydown", { key: "ArrowUp" });
  await vi.waitFor(() => expect(fetched).toHaveBeenCalledOnce());
  const sent = fetched.mock.calls[0]?.[0] as Request;
  expect(await sent.json()).toEqual({ job_id: "c", before: "b" });
  expect(order(list)).toEqual(["a", "b", "c"]); // nothing is shown before the queue says it
  await list.setProps({ items: [item("a", 1), item("c", 2), item("b", 3)] });
  await nextTick();
  expect(order(list)).toEqual(["a", "c", "b"]);
  const { said } = notices;
  const text = "c is now at place 2 of 3 in its priority.";
  await vi.waitFor(() => expect(said.value).toBe(`${text} It can be undone.`));
  expect((document.activeElement as HTMLElement).dataset["handle"]).toBe("c");
});

it("moves a job back to where it stood, also to the end", async () => {
  fetched.mockImplementation(async () => new Response(null, { status: 204 }));
  const list = waiting("a", "b", "c");
  await list.get("[data-handle=c]").trigger("keydown", { key: "ArrowUp" });
  await list.setProps({ items: [item("a", 1), item("c", 2), item("b", 3)] });
  await vi.waitFor(() => expect(notices.undoable.value).not.toBeNull());
  await notices.act(notices.undoable.value?.id ?? 0);
  const bodies = await Promise.all(fetched.mock.calls.map(([request]) => request.json()));
  expect(bodies.slice(1)).toEqual([{ job_id: "c", before: "b" }, { job_id: "b", before: "c" }]);
});

it.each([
  [false, "hold", "release", "a is on hold."],
  [true, "release", "hold", "a is released."],
])("takes a hold back, and a release: %j", async (held, there, back, text) => {
  fetched.mockImplementation(async () => new Response(null, { status: 204 }));
  const job = { id: "a", name: "a", state: "queued", hold: held, copies: 1, queued: 1 } as LiveJob;
  const menu = show(JobMenu, { job });
  const entries = menu.getComponent(Menu).props("entries") as MenuEntry[];
  entries.find((one) => one.key === there)?.act();
  await vi.waitFor(() => expect(notices.undoable.value?.text).toBe(text));
  await notices.act(notices.undoable.value?.id ?? 0);
  const paths = fetched.mock.calls.map(([request]) => new URL(request.url).pathname);
  expect(paths).toEqual([`/api/v1/jobs/a/${there}`, `/api/v1/jobs/a/${back}`]);
});

it("gathers the keys that are pressed while the new order is awaited into one place", async () => {
  fetched.mockImplementation(async () => new Response(null, { status: 204 }));
  const list = waiting("a", "b", "c", "d");
  const handle = list.get<HTMLElement>("[data-handle=d]");
  for (let presses = 0; presses < 3; presses += 1) {
    await handle.trigger("keydown", { key: "ArrowUp" });
  }
  await vi.waitFor(() => expect(fetched).toHaveBeenCalledOnce());
  useNotices().say("");
  await list.setProps({ items: ["a", "b", "d", "c"].map((name, at) => item(name, at + 1)) });
  await vi.waitFor(() => expect(fetched).toHaveBeenCalledTimes(2));
  const sent = fetched.mock.calls[1]?.[0] as Request;
  expect(await sent.json()).toEqual({ job_id: "d", before: "a" });
  expect(useNotices().said.value).toBe("");
  await list.setProps({ items: ["d", "a", "b", "c"].map((name, at) => item(name, at + 1)) });
  const said = useNotices().said;
  await vi.waitFor(() => expect(said.value).toContain("d is now at place 1 of 4"));
  await soon(5);
  expect(fetched).toHaveBeenCalledTimes(2);
  await notices.act(notices.undoable.value?.id ?? 0);
  const back = fetched.mock.calls.slice(2).map(([request]) => (request as Request).json());
  const end = [{ job_id: "d", before: "c" }, { job_id: "c", before: "d" }];
  expect(await Promise.all(back), "to where it was before the first key").toEqual(end);
});

it("offers to undo what was moved before the last wish, which moved nothing", async () => {
  fetched.mockImplementation(async () => new Response(null, { status: 204 }));
  const list = waiting("a", "b", "c");
  await press(list, "c", "ArrowUp");
  await drop(list, "c", "b");
  await list.setProps({ items: ["a", "c", "b"].map((name, at) => item(name, at + 1)) });
  const { undoable } = notices;
  await vi.waitFor(() => expect(undoable.value?.text).toContain("c is now at place 2 of 3"));
  expect(fetched).toHaveBeenCalledOnce();
  await notices.act(undoable.value?.id ?? 0);
  expect((await bodies()).slice(1).map((one) => one.job_id)).toEqual(["c", "b"]);
});

it("forgets what was pressed meanwhile where the move is refused", async () => {
  fetched.mockImplementation(() => Promise.resolve(problem(403, "role_too_low", "no")));
  const list = waiting("a", "b", "c");
  for (let presses = 0; presses < 2; presses += 1) {
    await list.get("[data-handle=c]").trigger("keydown", { key: "ArrowUp" });
  }
  await vi.waitFor(() => expect(useNotices().said.value).toContain("c was not moved"));
  await soon(5);
  expect(fetched).toHaveBeenCalledOnce();
});

const press = (list: VueWrapper, job: string, key: string) =>
  list.get(`[data-handle=${job}]`).trigger("keydown", { key });
const bodies = () => Promise.all(fetched.mock.calls.map(([request]) => request.clone().json()));

const A_IS_THERE = "a is now at place 2 of 4 in its priority.";
it("moves each job that was asked for meanwhile, and offers to undo what was moved", async () => {
  fetched.mockImplementation(async () => new Response(null, { status: 204 }));
  const list = waiting("a", "b", "c", "d");
  await press(list, "b", "ArrowUp");
  await press(list, "d", "ArrowUp");
  await press(list, "a", "ArrowDown");
  await vi.waitFor(() => expect(fetched).toHaveBeenCalledOnce());
  await list.setProps({ items: ["b", "a", "c", "d"].map((name, at) => item(name, at + 1)) });
  const offered = () => notices.undoable.value?.text ?? "";
  await vi.waitFor(() => expect(offered()).toContain("b is now at place 1 of 4"));
  await vi.waitFor(() => expect(fetched).toHaveBeenCalledTimes(2));
  await list.setProps({ items: ["b", "a", "d", "c"].map((name, at) => item(name, at + 1)) });
  await vi.waitFor(() => expect(offered()).toContain("d is now at place 3 of 4"));
  await vi.waitFor(() => expect(notices.said.value).toBe(A_IS_THERE));
  expect(offered(), "nothing was made of it").toContain("d is now at place 3 of 4");
  const asked = [{ job_id: "b", before: "a" }, { job_id: "d", before: "c" }];
  expect(await bodies(), "a stands where it was to go by then").toEqual(asked);
});

/** Take hold of a row by a pointer, and hold it over another one. */
async function drag(list: VueWrapper, job: string, onto: string): Promise<void> {
  vi.spyOn(document, "elementFromPoint").mockReturnValue(list.get(`[data-job=${onto}]`).element);
  await list.get(`[data-handle=${job}]`).trigger("pointerdown", { button: 0 });
  window.dispatchEvent(new PointerEvent("pointermove"));
}
const letGo = () => window.dispatchEvent(new PointerEvent("pointerup"));
async function drop(list: VueWrapper, job: string, onto: string): Promise<void> {
  await drag(list, job, onto);
  letGo();
}

it("lets a job stay where that which it is dropped on has gone", async () => {
  const list = waiting("a", "b", "c");
  await drag(list, "a", "c");
  await list.setProps({ items: [item("a", 1), item("b", 2)] });
  letGo();
  expect(notices.said.value).toBe("a stays where it was.");
  expect(fetched).not.toHaveBeenCalled();
});

it.each([
  ["d on b", "d", "b", { job_id: "d", before: "b" }],
  ["b on c", "b", "c", { job_id: "b", before: "d" }],
])("drops a job where it was let go, also by a later order: %s", async (_, job, onto, asked) => {
  fetched.mockImplementation(async () => new Response(null, { status: 204 }));
  const list = waiting("a", "b", "c", "d");
  await drop(list, "a", "d");
  await drop(list, job, onto);
  await vi.waitFor(() => expect(fetched).toHaveBeenCalledTimes(2)); // behind d, by two calls
  await list.setProps({ items: ["b", "c", "d", "a"].map((name, at) => item(name, at + 1)) });
  await vi.waitFor(() => expect(fetched).toHaveBeenCalledTimes(3));
  expect((await bodies())[2]).toEqual(asked);
});

it("drops it ahead of the next one where that which it was let go on waits no more", async () => {
  fetched.mockImplementation(async () => new Response(null, { status: 204 }));
  const list = waiting("a", "b", "c", "d");
  await drop(list, "a", "d");
  await drop(list, "d", "b");
  await vi.waitFor(() => expect(fetched).toHaveBeenCalledTimes(2));
  await list.setProps({ items: ["c", "d", "a"].map((name, at) => item(name, at + 1)) });
  await vi.waitFor(() => expect(fetched).toHaveBeenCalledTimes(3));
  expect((await bodies())[2]).toEqual({ job_id: "d", before: "c" });
});

it("goes on with another job where a move is refused, and keeps saying why it was", async () => {
  fetched
    .mockImplementationOnce(() => Promise.resolve(problem(409, "job_ended", "c has ended")))
    .mockImplementation(async () => new Response(null, { status: 204 }));
  const list = waiting("a", "b", "c");
  await press(list, "c", "ArrowUp");
  await press(list, "b", "ArrowUp");
  await press(list, "c", "ArrowUp");
  await vi.waitFor(() => expect(fetched).toHaveBeenCalledTimes(2));
  await list.setProps({ items: ["b", "a", "c"].map((name, at) => item(name, at + 1)) });
  await vi.waitFor(() => expect(useNotices().said.value).toContain("b is now at place 1 of 3"));
  await soon(5);
  expect((await bodies()).map((one) => one.job_id)).toEqual(["c", "b"]);
  expect(list.find("[role=alert]").exists()).toBe(true);
});

const WITHIN = ["[data-act=why]", "a", "[data-handle=c]"];
it.each(WITHIN)("keeps the focus on %s in a row that moves", async (at) => {
  const list = waiting("a", "b", "c");
  const held = list.get<HTMLElement>(`[data-job=c] ${at}`).element;
  held.focus();
  await list.setProps({ items: ["c", "a", "b"].map((name, place) => item(name, place + 1)) });
  await nextTick();
  expect(document.activeElement).toBe(held);
  expect(held.closest("li")?.previousElementSibling).toBeNull();
});

it("leaves the order and says why where the server refuses a move", async () => {
  fetched.mockImplementation(() => Promise.resolve(problem(403, "role_too_low", "no")));
  const list = waiting("a", "b");
  await list.get("[data-handle=a]").trigger("keydown", { key: "ArrowDown" });
  await vi.waitFor(() => expect(list.html()).toContain(`role="alert"`));
  expect(order(list)).toEqual(["a", "b"]);
  expect(useNotices().said.value).toContain("a was not moved");
});

it("does not ask the server to move what is at the end of its priority", async () => {
  const list = waiting("a", "b");
  await list.get("[data-handle=a]").trigger("keydown", { key: "ArrowUp" });
  expect(fetched).not.toHaveBeenCalled();
  expect(useNotices().said.value).toBe("a is at the end of its priority already.");
});

it("gives a viewer no handle and no menu", () => {
  signedInAs("viewer");
  const list = waiting("a", "b");
  expect(list.findAll("button").map((one) => one.text())).toEqual(["Why waiting?", "Why waiting?"]);
});

it("shows what waits of a job that is not known here yet, by its number", () => {
  const list = show(WaitingList, { items: [item("x", 7)] });
  expect(order(list)).toEqual(["Job 7"]);
  expect(list.get("article a").attributes("href")).toBe("/jobs/x");
  list.findAll("button").find((one) => one.text() === "Why waiting?")?.element.click();
  expect(list.findComponent(WaitingList).emitted("why")).toEqual([["x-1", "Job 7"]]);
});

it("tells a place only where it has seen the job there", async () => {
  vi.useFakeTimers();
  try {
    fetched.mockImplementation(async () => new Response(null, { status: 204 }));
    const list = waiting("a", "b", "c");
    await list.get("[data-handle=c]").trigger("keydown", { key: "ArrowUp" });
    await vi.advanceTimersByTimeAsync(3500);
    expect(useNotices().said.value).toContain("The server has taken the new order.");
  } finally {
    vi.useRealTimers();
  }
});

it("claims nothing about the order where the second of two calls was refused", async () => {
  fetched
    .mockResolvedValueOnce(new Response(null, { status: 204 }))
    .mockImplementation(() => Promise.resolve(problem(409, "job_ended", "b has ended")));
  const list = waiting("a", "b");
  await list.get("[data-handle=a]").trigger("keydown", { key: "ArrowDown" });
  const said = useNotices().said;
  await vi.waitFor(() => expect(said.value).toContain("It is not known where a stands now"));
  expect(fetched).toHaveBeenCalledTimes(2);
});

it("claims nothing about the order where no answer came", async () => {
  fetched.mockRejectedValue(new TypeError("Failed to fetch"));
  const list = waiting("a", "b");
  await list.get("[data-handle=b]").trigger("keydown", { key: "ArrowUp" });
  const said = useNotices().said;
  await vi.waitFor(() => expect(said.value).toContain("It is not known where b stands now"));
});

it("does not take the last one shown of a long queue for the last one of all", async () => {
  const list = waiting("a", "b");
  await list.setProps({ total: 12 });
  await list.get("[data-handle=b]").trigger("keydown", { key: "ArrowDown" });
  expect(useNotices().said.value).toBe("b is the last one shown.");
  await list.get("[data-handle=a]").trigger("keydown", { key: "ArrowUp" });
  expect(useNotices().said.value).toBe("a is at the end of its priority already.");
});

it("tells the day of a start that is not today", async () => {
  useLive(pinia).printers.set("p1", { id: "p1", name: "Cedar" } as LivePrinter);
  const at = new Date();
  const list = show(WaitingList, {
    items: [{ ...item("a", 1), printer_id: "p1", expected_start: at.toISOString() }],
  });
  const year = String(at.getFullYear() + 1);
  expect(list.text()).toContain("on Cedar");
  expect(list.text()).not.toContain(String(at.getFullYear()));
  at.setFullYear(at.getFullYear() + 1);
  await list.setProps({
    items: [{ ...item("a", 1), printer_id: "p1", expected_start: at.toISOString() }],
  });
  expect(list.text()).toContain(year);
});

it.each([
  [0, "Startet voraussichtlich um "],
  [1, "Startet voraussichtlich am "],
])("words a start in German in %i years", async (years, words) => {
  await speak("de", false);
  useLive(pinia).printers.set("p1", { id: "p1", name: "Cedar" } as LivePrinter);
  const at = new Date();
  at.setFullYear(at.getFullYear() + years);
  const next = { ...item("a", 1), printer_id: "p1", expected_start: at.toISOString() };
  const list = show(WaitingList, { items: [next] });
  const said = list.text();
  await speak("en", false);
  expect(said).toContain(words);
});

it("words a reason anew when a printer comes, and not when one says something", async () => {
  const live = useLive(pinia);
  for (const id of ["p1", "p2"]) live.printers.set(id, { id, name: id } as LivePrinter);
  const worded = vi.spyOn(i18n.global, "t");
  const because = (): number => worded.mock.calls.filter(([key]) => key === "queue.because").length;
  const held = { ...item("a", 1), waiting_summary: [{ code: "offline", count: 1 }] };
  const list = show(WaitingList, { items: [held] });
  expect(list.text()).toContain("1 of 2 printers");
  const before = because();
  expect(before).toBeGreaterThan(0);
  live.printers.set("p1", { id: "p1", name: "p1", progress: 0.5 } as LivePrinter);
  await nextTick();
  expect(because()).toBe(before);
  live.printers.set("p3", { id: "p3", name: "p3" } as LivePrinter);
  await nextTick();
  expect(list.text()).toContain("1 of 3 printers");
  worded.mockRestore();
});

const PUZZLE = {
  id: "x27",
  number: 27,
  job_id: "a",
  copy_no: 2,
  state: "needs_attention",
  printer_id: "p1",
  file_name: "a.gcode",
  reason: "the printer has lost its memory",
  evidence: { run: "none", ending: null, others_ran: true },
  intent_at: "2026-11-28T02:31:08Z",
  started_at: null,
};

async function asked(link: LivePrinter["link"]): Promise<void> {
  useLive(pinia).printers.set("p1", { id: "p1", name: "Cedar", link } as LivePrinter);
  fetched.mockImplementation(async (request) => {
    if (request.method === "POST") return Response.json(PUZZLE, { status: 202 });
    const job = new URL(request.url).pathname.includes("/jobs/");
    return Response.json(job ? { id: "a", name: "Shade", copies: 2 } : PUZZLE);
  });
  show(ResolveDialog, { printId: "x27", open: true });
  await vi.waitFor(() => expect(document.querySelector("#resolve")).not.toBeNull());
}
const tick = (value: string): void =>
  document.querySelector<HTMLInputElement>(`input[value=${value}]`)?.click();

it("takes a word on a print only with both what was seen and what lies on the bed", async () => {
  await asked("online");
  expect(document.body.textContent).toContain("It was never seen printing.");
  expect(button("Record it")?.disabled).toBe(true);
  tick("failed");
  await nextTick();
  expect(button("Record it")?.disabled).toBe(true);
  tick("occupied");
  await nextTick();
  expect(button("Record it")?.disabled).toBe(false);
  document.querySelector<HTMLFormElement>("#resolve")?.dispatchEvent(new Event("submit"));
  const sent = (): Request | undefined =>
    fetched.mock.calls.map(([request]) => request).find((one) => one.method === "POST");
  await vi.waitFor(() => expect(sent()).toBeDefined());
  const body = { outcome: "failed", bed: "occupied", override: false };
  expect(await sent()?.json()).toEqual(body);
  await vi.waitFor(() => expect(document.body.textContent).toContain("Recorded. The print ends"));
});

it("lets Tab into each question at one place, so that it goes round in the dialog", async () => {
  await asked("online");
  const stops = (): string[] =>
    [...document.querySelectorAll<HTMLInputElement>("#resolve input[type=radio]")]
      .filter((one) => one.tabIndex >= 0)
      .map((one) => one.value);
  expect(stops()).toEqual(["completed", "clear"]);
  tick("not_started");
  await nextTick();
  expect(stops()).toEqual(["not_started", "clear"]);
});

it("takes a word unchecked only while the printer cannot be asked", async () => {
  const sent = async (comesBack: boolean): Promise<unknown> => {
    fetched.mockClear();
    await asked("offline");
    for (const value of ["failed", "occupied"]) tick(value);
    document.querySelector<HTMLInputElement>("#resolve input[type=checkbox]")?.click();
    await nextTick();
    if (comesBack) {
      const back = { id: "p1", name: "Cedar", link: "online" } as LivePrinter;
      useLive(pinia).printers.set("p1", back);
      await nextTick();
    }
    document.querySelector<HTMLFormElement>("#resolve")?.dispatchEvent(new Event("submit"));
    const posted = await vi.waitFor(() => {
      const found = fetched.mock.calls.map(([one]) => one).find((one) => one.method === "POST");
      expect(found).toBeDefined();
      return found as Request;
    });
    shown.pop()?.unmount();
    return posted.json();
  };
  const word = { outcome: "failed", bed: "occupied" };
  expect(await sent(false)).toEqual({ ...word, override: true });
  expect(await sent(true)).toEqual({ ...word, override: false });
});

it("keeps a form that is half filled in where asking again fails", async () => {
  await asked("online");
  tick("failed");
  await nextTick();
  fetched.mockImplementation(async () => problem(503, "busy", "the database is busy"));
  await queries.refetchQueries({ queryKey: ["print"] });
  await vi.waitFor(() => expect(document.body.textContent).toContain("the database is busy"));
  expect(document.querySelector<HTMLInputElement>("input[value=failed]")?.checked).toBe(true);
});

it("keeps the prints of a job where asking again fails", async () => {
  const job = {
    id: "a", number: 3, name: "Shade", state: "active", priority: "normal", copies: 2,
    finished: 0, queued: 0, active: 1, failed: 0, due: null, hold: false, retries: 0,
    created_at: "2026-11-28T02:31:08Z",
    requirements: { printers: [], group: null, materials: [], tags_all: [], tags_none: [] },
  };
  const status = { progress: 0, expected_end: null, prints: [{ ...PUZZLE, state: "printing" }] };
  fetched.mockImplementation(async ({ url }) =>
    Response.json(url.endsWith("/status") ? status : job),
  );
  const page = show(JobPage, { id: "a" });
  await vi.waitFor(() => expect(page.text()).toContain("Copy 2"));
  fetched.mockImplementation(async () => problem(503, "busy", "the database is busy"));
  await queries.refetchQueries({ queryKey: ["job-status"] });
  await vi.waitFor(() => expect(page.text()).toContain("the database is busy"));
  expect(page.text()).toContain("Copy 2");
});

it("offers the override only where the printer cannot be reached", async () => {
  await asked("online");
  expect(document.querySelector("input[type=checkbox]")).toBeNull();
  for (const one of shown.splice(0)) one.unmount();
  await asked("offline");
  expect(document.querySelector("input[type=checkbox]")).not.toBeNull();
  expect(document.body.textContent).toContain("The printer cannot be reached.");
});
