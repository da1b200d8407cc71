// Changing a printer: from the version that was seen, without its secrets, with a plain conflict.
import { VueQueryPlugin } from "@tanstack/vue-query";
import { flushPromises, mount, type VueWrapper } from "@vue/test-utils";
import { createPinia } from "pinia";
import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { i18n, speak } from "@/i18n";

import type { Driver } from "../form/drivers";
import type { Printer } from "../printer";
import EditPrinter from "./EditPrinter.vue";

const DRIVER = {
  name: "odd", title: "Odd box", description: "", secrets: ["key"], capabilities: [],
  streams: false,
  connection_schema: {
    required: ["host", "key"],
    properties: { host: { type: "string", title: "Host" }, key: { type: "string", title: "Key" } },
  },
} as Driver;
const PRINTER = {
  id: "a", version: 4, name: "Left", model: { name: "MK4", nozzles_mm: [0.4] }, tags: ["pla"],
  group: null, location: "Shelf", connection: { host: "left.local", key: { set: true } },
} as unknown as Printer;
const patches: { version: string | null; body: Record<string, unknown> }[] = [];
let conflict = false;
let edit: VueWrapper;

const probes: unknown[] = [];
let refusal: Record<string, unknown> | null = null;

async function answer(request: Request): Promise<Response> {
  if (request.url.endsWith("/probe")) {
    probes.push(await request.clone().json());
    const headers = { "content-type": "application/problem+json" };
    if (refusal) return new Response(JSON.stringify(refusal), { status: 422, headers });
    return Response.json({ ok: true, name: "Left", software: "odd", version: "1", warnings: [] });
  }
  if (request.method !== "PATCH") return Response.json({ items: [], next_cursor: null });
  patches.push({
    version: request.headers.get("if-match"),
    body: await request.clone().json(),
  });
  const headers = { "content-type": "application/problem+json" };
  const problem = { code: "version_mismatch", detail: "it is version 5 by now", hint: "" };
  return conflict
    ? new Response(JSON.stringify(problem), { status: 412, headers })
    : Response.json({ ...PRINTER, version: 5 });
}

beforeEach(async () => {
  await speak("en", false);
  patches.length = 0;
  probes.length = 0;
  refusal = null;
  conflict = false;
  vi.stubGlobal("fetch", vi.fn(answer));
  const global = { plugins: [i18n, createPinia(), VueQueryPlugin] };
  const props = { printer: PRINTER, driver: DRIVER };
  edit = mount(EditPrinter, { global, props, attachTo: document.body });
  await edit.find("button").trigger("click");
  await flushPromises();
});
afterEach(() => {
  edit.unmount();
  vi.unstubAllGlobals();
});

const form = () => document.querySelector("form");
const field = (label: string) => {
  const found = [...document.querySelectorAll("label")].find((one) => one.textContent === label);
  return document.getElementById(found?.htmlFor ?? "") as HTMLInputElement;
};
async function type(label: string, text: string): Promise<void> {
  field(label).value = text;
  field(label).dispatchEvent(new Event("input"));
  await flushPromises();
}
async function save(): Promise<void> {
  form()?.dispatchEvent(new Event("submit", { cancelable: true }));
  await flushPromises();
}

it("sends the version that was seen, and no secret that was not typed", async () => {
  expect(field("Key").value).toBe("");
  await type("Place", "Bench");
  await save();
  expect(patches).toHaveLength(1);
  expect(patches[0]?.version).toBe('"4"');
  expect(patches[0]?.body).toMatchObject({
    name: "Left", location: "Bench", connection: { host: "left.local" },
  });
  expect(patches[0]?.body["connection"]).not.toHaveProperty("key");
  expect(form()).toBeNull();
});

it("says plainly that somebody else was quicker, and shows what is set now", async () => {
  conflict = true;
  await type("Place", "Bench");
  await save();
  const note = document.querySelector("[role=alert]");
  expect(note?.textContent).toContain("Somebody else has changed it in the meantime.");
  await edit.setProps({ printer: { ...PRINTER, version: 5, location: "Theirs" } });
  expect(field("Place").value).toBe("Bench");
  note?.querySelector("button")?.click();
  await flushPromises();
  expect(field("Place").value).toBe("Theirs");
  conflict = false;
  await save();
  expect(patches[1]?.version).toBe('"5"');
});

it("sends nothing while a field is wrong", async () => {
  await type("Host", "");
  await save();
  expect(patches).toEqual([]);
  expect(field("Host").getAttribute("aria-invalid")).toBe("true");
});

async function press(label: string): Promise<void> {
  const all = [...document.querySelectorAll("button")];
  all.find((one) => one.textContent.trim() === label)?.click();
  await flushPromises();
}

it("tries the connection with the stored key, and forgets the answer with a change", async () => {
  await press("Try the connection");
  expect(probes).toEqual([{ driver: "odd", printer_id: "a", connection: { host: "left.local" } }]);
  expect(document.body.textContent).toContain("It answers.");
  expect(patches).toEqual([]);
  await type("Host", "other.local");
  expect(document.body.textContent).not.toContain("It answers.");
});

it("asks for the key again where the connection leads elsewhere, and sends it then", async () => {
  const errors = [{ field: "body.connection.key", detail: "type it again" }];
  refusal = { code: "secret_not_sent", detail: "host is not as stored", hint: "", errors };
  await type("Host", "other.local");
  await press("Try the connection");
  expect(field("Key").getAttribute("aria-invalid")).toBe("true");
  expect(document.querySelector("[role=alert]")?.textContent).toContain("type the key again");
  refusal = null;
  await type("Key", "typed");
  expect(field("Key").getAttribute("aria-invalid")).toBeNull();
  await press("Try the connection");
  expect(probes[1]).toMatchObject({ connection: { host: "other.local", key: "typed" } });
});
