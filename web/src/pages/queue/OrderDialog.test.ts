// A new order: for whom it may be made, and of which files.
import { QueryClient, VueQueryPlugin } from "@tanstack/vue-query";
import { flushPromises, mount, type VueWrapper } from "@vue/test-utils";
import { createPinia } from "pinia";
import { afterEach, beforeAll, beforeEach, expect, it, vi } from "vitest";
import { createMemoryHistory, createRouter } from "vue-router";

import { useSession, type Me } from "@/app/session";
import { i18n, speak } from "@/i18n";

import DemandFields from "./DemandFields.vue";
import { demandsOf } from "./demands";
import OrderDialog from "./OrderDialog.vue";

let cursor: string | null;
let sent: unknown[];
let queryClient: QueryClient;
let shown: VueWrapper | undefined;

async function answer(request: Request): Promise<Response> {
  const { pathname } = new URL(request.url);
  if (request.method === "POST") {
    sent.push(await request.json());
    return Response.json({ id: "j", number: 1 }, { status: 201 });
  }
  const names = ["ours", "others", "theirs"].map((name) => ({ id: name, name }));
  if (pathname.endsWith("/groups")) return Response.json({ items: names, next_cursor: null });
  return Response.json({ items: [{ id: "f1", name: "a", state: "ready" }], next_cursor: cursor });
}

async function show(groups: string[] | null, fields = false): Promise<void> {
  const pinia = createPinia();
  const routes = [{ path: "/", component: { render: () => null } }];
  const router = createRouter({ history: createMemoryHistory(), routes });
  queryClient = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  const session = () =>
    (useSession(pinia).me = { id: "u1", name: "ann", role: "operator", groups } as Me);
  const query = [VueQueryPlugin, { queryClient }] as never;
  const global = { plugins: [pinia, i18n, router, query, session] };
  const requirements = { group: "ours", printers: [], materials: [], tags_all: [], tags_none: [] };
  const modelValue = demandsOf(requirements as unknown as Parameters<typeof demandsOf>[0]);
  const faults = { slots: [], fields: {} };
  shown = fields
    ? mount(DemandFields, { props: { modelValue, faults }, global, attachTo: document.body })
    : mount(OrderDialog, { props: { open: true }, global, attachTo: document.body });
  await flushPromises();
}
function select(label: string): HTMLSelectElement {
  const found = [...document.querySelectorAll("label")].find((one) => one.textContent === label);
  return document.getElementById(found?.htmlFor ?? "") as HTMLSelectElement;
}
const options = (label: string): string[] => [...select(label).options].map((one) => one.text);

beforeAll(() => speak("en", false));
beforeEach(() => {
  [cursor, sent] = [null, []];
  vi.stubGlobal("fetch", vi.fn(answer));
});
afterEach(() => {
  shown?.unmount();
  vi.unstubAllGlobals();
});

it("is for a group of one's own where one is confined to some", async () => {
  await show(["ours", "others"]);
  expect(options("Group")).toEqual(["ours", "others"]);
  select("File").value = "f1";
  select("File").dispatchEvent(new Event("change"));
  await flushPromises();
  document.querySelector("form")?.dispatchEvent(new Event("submit", { cancelable: true }));
  await vi.waitFor(() => expect(sent).toHaveLength(1));
  expect(sent[0]).toMatchObject({ requirements: { group: "ours" } });
});

it("keeps what was filled in where its list of files cannot be read again", async () => {
  await show(null);
  const copies = document.querySelector<HTMLInputElement>("form input[type=text]");
  expect(document.querySelector("form")).not.toBeNull();
  vi.stubGlobal("fetch", () => Promise.reject(new TypeError("network")));
  await queryClient.refetchQueries({ queryKey: ["files"] });
  await flushPromises();
  expect(document.querySelector("[role=alert]")?.textContent).toContain("does not answer");
  expect(document.querySelector("form")).not.toBeNull();
  expect(document.querySelector("form input[type=text]")).toBe(copies);
});

it("may be for any group where one is confined to none", async () => {
  await show(null);
  expect(options("Group")).toEqual(["Any group", "ours", "others", "theirs"]);
});

it("is changed among one's own groups only", async () => {
  await show(["ours", "others"], true);
  expect(options("Group")).toEqual(["ours", "others"]);
});

it("says that there are older files than it offers", async () => {
  await show(null);
  expect(document.body.textContent).not.toContain("The newest");
  shown?.unmount();
  cursor = "c2";
  await show(null);
  expect(document.body.textContent).toContain("The newest 1. An older file is ordered on");
});
