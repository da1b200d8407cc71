// Changing a job: what it asks of printers goes with the version that was seen, and only that.
import { VueQueryPlugin } from "@tanstack/vue-query";
import { flushPromises, mount, type VueWrapper } from "@vue/test-utils";
import { createPinia } from "pinia";
import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { i18n, speak } from "@/i18n";
import type { LiveJob, LivePrinter } from "@/live/frames";
import { useLive } from "@/live/store";

import EditDialog from "./EditDialog.vue";

const JOB = {
  id: "j", name: "Bracket", version: 7, copies: 3, priority: "normal", due: null,
  customer: null, reference: null,
  requirements: {
    printers: ["p1"], group: null, materials: [], printer_model: null, nozzle_mm: 0.4,
    plate: null, build_volume: null, tags_all: [], tags_none: [],
  },
} as unknown as LiveJob;
const patches: { version: string | null; body: unknown }[] = [];
let conflict = false;
let shown: VueWrapper;

async function answer(request: Request): Promise<Response> {
  if (request.method === "GET") {
    const fresh = { ...JOB, version: 8, requirements: { ...JOB.requirements, nozzle_mm: 0.8 } };
    return Response.json(request.url.includes("/jobs/") ? fresh : { items: [] });
  }
  patches.push({ version: request.headers.get("if-match"), body: await request.clone().json() });
  const headers = { "content-type": "application/problem+json" };
  const problem = { code: "version_mismatch", detail: "it is version 8 by now", hint: "" };
  return conflict
    ? new Response(JSON.stringify(problem), { status: 412, headers })
    : Response.json(JOB);
}

beforeEach(async () => {
  await speak("en", false);
  patches.length = 0;
  conflict = false;
  vi.stubGlobal("fetch", vi.fn(answer));
  const pinia = createPinia();
  const global = { plugins: [i18n, pinia, VueQueryPlugin] };
  const live = useLive(pinia);
  for (const [number, id] of ["p1", "p2"].entries()) {
    live.printers.set(id, { id, number, name: `Printer ${id}` } as LivePrinter);
  }
  shown = mount(EditDialog, { global, props: { job: JOB, open: true }, attachTo: document.body });
  await flushPromises();
});
afterEach(() => {
  shown.unmount();
  vi.unstubAllGlobals();
});

const field = <T extends HTMLElement>(label: string): T => {
  const found = [...document.querySelectorAll("label")].find((one) => one.textContent === label);
  return document.getElementById(found?.htmlFor ?? "") as T;
};
const button = (label: string): HTMLButtonElement | undefined =>
  [...document.querySelectorAll("button")].find(
    (one) => (one.getAttribute("aria-label") ?? one.textContent.trim()) === label,
  );
async function choose(label: string, value: string): Promise<void> {
  const select = field<HTMLSelectElement>(label);
  select.value = value;
  select.dispatchEvent(new Event("change"));
  await flushPromises();
}
async function type(label: string, text: string): Promise<void> {
  const input = field<HTMLInputElement>(label);
  input.value = text;
  input.dispatchEvent(new Event("input"));
  await flushPromises();
}
async function save(): Promise<void> {
  document.querySelector("form")?.dispatchEvent(new Event("submit", { cancelable: true }));
  await flushPromises();
}

it("allows other printers and a material, and sends nothing that was not changed", async () => {
  button("Take Printer p1 out")?.click();
  await choose("Allow a printer", "p2");
  button("Add a tool")?.click();
  await flushPromises();
  await type("Material", "PETG");
  await save();
  expect(patches).toEqual([{
    version: '"7"',
    body: {
      requirements: {
        printers: ["p2"],
        materials: [{ tool: 0, type: "PETG", color: null, variant: null, grams: null }],
      },
    },
  }]);
  expect(shown.emitted("update:open")).toEqual([[false]]);
});

it("sends nothing while a material has no name", async () => {
  button("Add a tool")?.click();
  await flushPromises();
  await save();
  expect(patches).toEqual([]);
  expect(field("Material").getAttribute("aria-invalid")).toBe("true");
});

it("after a lost race shows what is asked by now", async () => {
  conflict = true;
  await type("Customer", "ACME");
  await save();
  button("Load how it stands now")?.click();
  await flushPromises();
  expect(field<HTMLInputElement>("Nozzle").value).toBe("0.8");
  conflict = false;
  await type("Customer", "ACME");
  await save();
  expect(patches[1]).toEqual({ version: '"8"', body: { customer: "ACME" } });
});

it("sends nothing while no number of copies is given, and says so", async () => {
  await type("Customer", "ACME");
  await type("Copies", "");
  field<HTMLInputElement>("Copies").dispatchEvent(new Event("blur"));
  await flushPromises();
  await save();
  expect(patches).toEqual([]);
  expect(document.body.textContent).toContain("Give a whole number.");
});
