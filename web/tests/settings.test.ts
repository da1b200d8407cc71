// The settings and the history as people meet them, before a server that is made of answers.
import { VueQueryPlugin } from "@tanstack/vue-query";
import { flushPromises, mount, type VueWrapper } from "@vue/test-utils";
import { createPinia } from "pinia";
import { afterEach, beforeAll, beforeEach, expect, it, vi } from "vitest";
import { defineComponent, h, type Component } from "vue";
import { createMemoryHistory, createRouter, type Router } from "vue-router";

import { PAGES } from "@/app/routes";
import { useSession, type Me } from "@/app/session";
import { i18n, speak } from "@/i18n";
import HistoryPage from "@/pages/history/HistoryPage.vue";
import PrintDialog from "@/pages/history/PrintDialog.vue";
import KeyDialog from "@/pages/settings/KeyDialog.vue";
import PlacesSection from "@/pages/settings/PlacesSection.vue";
import SessionsList from "@/pages/settings/SessionsList.vue";
import SettingsPage from "@/pages/settings/SettingsPage.vue";
import UserDialog from "@/pages/settings/UserDialog.vue";
import UsersSection from "@/pages/settings/UsersSection.vue";
import UserSwitch from "@/pages/settings/UserSwitch.vue";
import BarPlot from "@/ui/BarPlot.vue";

const fetched = vi.fn<(request: Request) => Promise<Response>>();
let shown: VueWrapper | null = null;
let router: Router;

beforeAll(() => speak("en", false));
beforeEach(() => {
  vi.stubGlobal("fetch", fetched);
  fetched.mockImplementation(async () => Response.json({ items: [], next_cursor: null }));
  router = createRouter({ history: createMemoryHistory(), routes: PAGES });
});
afterEach(() => {
  shown?.unmount();
  shown = null;
  vi.unstubAllGlobals();
});

/** Mounted for somebody with this role; what stands in dialogs is in the document's body. */
function open(component: Component, me: Partial<Me>, props: object = {}): VueWrapper {
  const signedIn = defineComponent({
    inheritAttrs: false,
    setup(_, { attrs }) {
      useSession().me = { name: "ann", groups: null, ...me } as Me;
      return () => h(component, attrs);
    },
  });
  const plugins = [createPinia(), i18n, VueQueryPlugin, router];
  shown = mount(signedIn, { attrs: { ...props }, global: { plugins }, attachTo: document.body });
  return shown;
}

function fill(label: string, value: string): void {
  const found = [...document.body.querySelectorAll("label")].find((one) =>
    one.textContent?.includes(label),
  );
  const field = document.getElementById(found?.htmlFor ?? "") as HTMLInputElement;
  field.value = value;
  field.dispatchEvent(new Event("input"));
}

async function submit(): Promise<void> {
  document.body.querySelector("form")?.dispatchEvent(new Event("submit", { cancelable: true }));
  await flushPromises();
}

async function sent(method: string): Promise<{ path: string; body: unknown; request: Request }> {
  const calls = fetched.mock.calls.map(([request]) => request);
  const request = calls.findLast((one) => one.method === method);
  if (!request) throw new Error(`no ${method} was sent`);
  return { path: new URL(request.url).pathname, body: await request.json(), request };
}

it("shows a viewer no part that only administrators may use", async () => {
  await router.push("/settings/appearance");
  const links = (role: Me["role"]) =>
    open(SettingsPage, { role })
      .get("nav") // the first: the page stands inside itself here, where the router shows it again
      .findAll("a")
      .map((one) => one.attributes("href"));
  expect(links("viewer")).toEqual([
    "/settings/appearance",
    "/settings/account",
    "/settings/printers",
    "/settings/places",
    "/settings/about",
  ]);
  shown?.unmount();
  expect(links("admin")).toContain("/settings/users");
});

it.each([
  ["users", UsersSection, "/api/v1/users"],
  ["groups", PlacesSection, "/api/v1/groups"],
  ["floors", PlacesSection, "/api/v1/floors"],
])("shows all %s, however many pages they are", async (_, section, path) => {
  fetched.mockImplementation(async ({ url }) => {
    const { pathname, searchParams } = new URL(url);
    if (pathname !== path) return Response.json({ items: [], next_cursor: null });
    const name = searchParams.get("cursor") ? "behind" : "first";
    const made = { id: name, name, role: "viewer", groups: null, password_at: "2027-01-31" };
    const place = { width_mm: 1000, depth_mm: 1000, description: "" };
    const next_cursor = name === "first" ? "c" : null;
    return Response.json({ items: [{ ...made, ...place }], next_cursor });
  });
  const wrapper = open(section, { role: "admin" });
  await vi.waitFor(() => expect(wrapper.text()).toContain("first"));
  expect(wrapper.text()).toContain("behind");
});

it("shows a new key once, and has forgotten it when the dialog opens again", async () => {
  fetched.mockImplementation(async () => Response.json({ key: "bp_shown-once", items: [] }));
  const wrapper = open(KeyDialog, { role: "admin" }, { open: true });
  await flushPromises();
  fill("Name", "the shop");
  await submit();
  const { path, body } = await sent("POST");
  expect(path).toBe("/api/v1/keys");
  expect(body).toEqual({ name: "the shop", role: "operator", groups: null, expires_at: null });
  const secret = document.body.querySelector<HTMLInputElement>("input[readonly]");
  expect(secret?.value).toBe("bp_shown-once");
  // Nothing takes it away by mistake: only who says that they have kept it closes the dialog.
  const ways = [...document.body.querySelectorAll("[role=dialog] button")];
  expect(ways.map((one) => one.textContent?.trim())).toEqual(["Copy", "I have kept it"]);
  await wrapper.setProps({ open: false });
  await wrapper.setProps({ open: true });
  await flushPromises();
  expect(document.body.querySelector("input[readonly]")).toBeNull();
  expect(document.body.innerHTML).not.toContain("bp_shown-once");
});

it("is left by its own buttons alone while a key is made and shown", async () => {
  let make: () => void = () => undefined;
  fetched.mockImplementation(async (request) => {
    if (request.method === "POST") await new Promise<void>((resolve) => (make = resolve));
    return Response.json({ key: "bp_shown-once", items: [] });
  });
  const told: boolean[] = [];
  const tell = (now: boolean) => told.push(now);
  open(KeyDialog, { role: "admin" }, { open: true, "onUpdate:open": tell });
  await flushPromises();
  fill("Name", "the shop");
  await submit();
  const escape = async () => {
    const event = new KeyboardEvent("keydown", { key: "Escape", bubbles: true, cancelable: true });
    document.activeElement?.dispatchEvent(event);
    await flushPromises();
  };
  const press = async (name: string) => {
    const buttons = [...document.body.querySelectorAll<HTMLElement>("[role=dialog] button")];
    const named = (one: HTMLElement) => one.getAttribute("aria-label") ?? one.textContent.trim();
    buttons.find((one) => named(one) === name)?.click();
    await flushPromises();
  };
  await escape();
  await press("Close");
  expect(told).toEqual([]);
  make();
  await flushPromises();
  await escape();
  document.body.dispatchEvent(new PointerEvent("pointerdown", { bubbles: true }));
  await flushPromises();
  expect(told).toEqual([]);
  expect(document.body.querySelector<HTMLInputElement>("input[readonly]")?.value).toContain("bp_");
  await press("Close"); // there is none by now
  expect(told).toEqual([]);
  await press("I have kept it");
  expect(told).toEqual([false]);
});

it("keeps the form open and says why when a key is refused", async () => {
  const refusal = { status: 422, code: "invalid_key", detail: "no such group", hint: "add it" };
  fetched.mockImplementation(async () =>
    Response.json(refusal, {
      status: 422,
      headers: { "content-type": "application/problem+json" },
    }),
  );
  open(KeyDialog, { role: "admin" }, { open: true });
  await flushPromises();
  fill("Name", "the shop");
  await submit();
  const said = document.body.querySelector("[role=alert]")?.textContent ?? "";
  expect(said).toContain("no such group");
  expect(said).toContain("Nothing was changed.");
  expect(document.body.querySelector("input[readonly]")).toBeNull();
});

it("changes of a user only what the form is about, against the version that was seen", async () => {
  const user = { id: "7", version: 3, name: "otto", role: "operator", groups: ["hall 1"] };
  const wrapper = open(UserDialog, { role: "admin" }, { open: false, what: "password", user });
  await wrapper.setProps({ open: true });
  fill("New password", "staple correct horse");
  await submit();
  const { path, body, request } = await sent("PATCH");
  expect(path).toBe("/api/v1/users/7");
  expect(body).toEqual({ password: "staple correct horse" });
  expect(request.headers.get("if-match")).toBe('"3"');
});

const OTTO = { id: "7", version: 3, name: "otto", role: "operator", groups: null, disabled: false };

it("switches a user off only once the server has done it, and says why it has not", async () => {
  const refusal = { status: 409, code: "last_admin_user", detail: "otto is the last", hint: "x" };
  fetched.mockImplementation(async () =>
    Response.json(refusal, {
      status: 409,
      headers: { "content-type": "application/problem+json" },
    }),
  );
  const wrapper = open(UserSwitch, { role: "admin" }, { user: OTTO });
  const turned = () => wrapper.get("[role=switch]").attributes("aria-checked");
  await wrapper.get("[role=switch]").trigger("click");
  await flushPromises();
  expect(turned()).toBe("true");
  expect(wrapper.get("[role=alert]").text()).toContain("otto is the last");
  fetched.mockImplementation(async () => Response.json({ ...OTTO, disabled: true }));
  await wrapper.get("[role=switch]").trigger("click");
  await flushPromises();
  const { path, body, request } = await sent("PATCH");
  expect([path, body]).toEqual(["/api/v1/users/7", { disabled: true }]);
  expect(request.headers.get("if-match")).toBe('"3"');
  expect(turned()).toBe("true"); // the list that is read anew tells
  await wrapper.setProps({ user: { ...OTTO, disabled: true } });
  expect(turned()).toBe("false");
});

it("ends one of one's sessions at once, all others only when asked again", async () => {
  const at = "2027-01-31T12:00:00Z";
  const plain = { kind: "browser", created_at: at, seen_at: at, expires_at: at };
  const items = [
    { ...plain, id: "here", address: "10.0.0.1", current: true },
    { ...plain, id: "there", address: "10.0.0.2", current: false },
    { ...plain, id: "away", kind: "program", address: null, current: false },
  ];
  fetched.mockImplementation(async (request) =>
    request.method === "GET" ? Response.json({ items }) : new Response(null, { status: 204 }),
  );
  const wrapper = open(SessionsList, { role: "viewer" });
  await flushPromises();
  expect(wrapper.findAll("tbody button")).toHaveLength(2);
  expect(wrapper.text()).toContain("Browser · 10.0.0.1 (this one)");
  const gone = () =>
    fetched.mock.calls
      .map(([request]) => request)
      .filter((one) => one.method === "DELETE")
      .map((one) => new URL(one.url).pathname);
  let end: () => void = () => undefined;
  const answer = fetched.getMockImplementation();
  fetched.mockImplementation(async (request) => {
    if (request.method === "DELETE") await new Promise<void>((resolve) => (end = resolve));
    return answer?.(request) ?? new Response(null, { status: 500 });
  });
  const one = wrapper.get("[aria-label='End the session from 10.0.0.2']");
  await one.trigger("click");
  await flushPromises();
  expect(gone()).toEqual(["/api/v1/me/sessions/there"]);
  const icons = () => wrapper.findAll("tbody button").map((button) => button.html());
  expect(icons().map((html) => html.includes("loader-circle"))).toEqual([true, false]);
  end();
  await flushPromises();
  expect(icons().some((html) => html.includes("loader-circle"))).toBe(false);
  fetched.mockImplementation(answer ?? (async () => new Response(null, { status: 500 })));
  await wrapper
    .findAll("button")
    .find((one) => one.text() === "End all others")
    ?.trigger("click");
  await flushPromises();
  expect(gone()).toHaveLength(1);
  const asked = [...document.body.querySelectorAll<HTMLElement>("[role=alertdialog] button")];
  asked.find((one) => one.textContent?.trim() === "End all others")?.click();
  await flushPromises();
  expect(gone()[1]).toBe("/api/v1/me/sessions");
});

it("shows figures of the whole farm to nobody who is confined to groups", async () => {
  await router.push("/history?view=figures");
  const page = open(HistoryPage, { role: "operator", groups: ["hall 1"] });
  await flushPromises();
  expect(page.findAll("[role=tab]").map((one) => one.text())).toEqual(["Prints"]);
  const asked = fetched.mock.calls.map(([request]) => new URL(request.url).pathname);
  expect(asked).not.toContain("/api/v1/analytics/outcomes");
});

it("asks for what the address says, page by page", async () => {
  await router.push("/history?state=failed&text=vase");
  const first = { items: [], next_cursor: "5.01938e2a-7b10-7c3e-9f1d-2a6b4c8d0e14" };
  fetched.mockImplementation(async () => Response.json(first));
  const page = open(HistoryPage, { role: "viewer" });
  await flushPromises();
  await page
    .findAll("button")
    .find((one) => one.text() === "Show more")
    ?.trigger("click");
  await flushPromises();
  const asked = fetched.mock.calls
    .map(([request]) => new URL(request.url))
    .filter((url) => url.pathname === "/api/v1/history");
  expect(asked.map((url) => url.searchParams.get("cursor"))).toEqual([null, first.next_cursor]);
  expect(asked.every((url) => url.searchParams.get("state") === "failed")).toBe(true);
});

const ENDING = {
  id: "9",
  number: 12,
  job_id: "7",
  state: "failed",
  notes: [{ id: "1", at: "2027-01-31T12:00:00Z", by: "user ann", text: "lifted" }],
  materials: [],
  printed_s: null,
  job_name: "brackets",
};

it("lets an operator write a note, and a viewer only read", async () => {
  const props = { open: true, ending: ENDING };
  open(PrintDialog, { role: "viewer" }, props);
  await flushPromises();
  expect(document.body.textContent).toContain("lifted");
  expect(document.body.querySelector("textarea")).toBeNull();
  shown?.unmount();
  fetched.mockImplementation(async () => Response.json({}, { status: 201 }));
  open(PrintDialog, { role: "operator" }, props);
  await flushPromises();
  fill("New note", "cleaned the plate");
  await submit();
  const { path, body } = await sent("POST");
  expect(path).toBe("/api/v1/prints/9/notes");
  expect(body).toEqual({ text: "cleaned the plate" });
});

it("has a table that says the same as the bars", () => {
  const wrapper = open(
    BarPlot,
    {},
    {
      title: "Ends",
      what: "Printer",
      sum: "Success",
      format: String,
      series: [
        { key: "a", label: "Completed", tone: "done", pattern: "plain" },
        { key: "b", label: "Failed", tone: "error", pattern: "hatched" },
      ],
      bars: [
        { key: "1", label: "Left", values: [3, 1], said: "75 %" },
        { key: "2", label: "Right", values: [0, 2], said: "0 %" },
      ],
    },
  );
  const rows = wrapper.findAll("tbody tr");
  const cells = rows.map((row) => row.findAll("th, td").map((cell) => cell.text()));
  expect(cells).toEqual([
    ["Left", "3", "1", "75 %"],
    ["Right", "0", "2", "0 %"],
  ]);
  const widths = wrapper.findAll("svg.h-4 rect").map((one) => one.attributes("width"));
  expect(widths).toEqual(["75%", "25%", "50%"]);
});
