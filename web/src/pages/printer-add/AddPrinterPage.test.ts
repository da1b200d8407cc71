// Adding a printer: nothing is saved before the connection was tried, and nothing is claimed.
import { VueQueryPlugin } from "@tanstack/vue-query";
import { flushPromises, mount, type VueWrapper } from "@vue/test-utils";
import { createPinia } from "pinia";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createMemoryHistory, createRouter } from "vue-router";

import { i18n, speak } from "@/i18n";

import { useFarmUploads } from "@/pages/farm/uploads";

import AddPrinterPage from "./AddPrinterPage.vue";

const DRIVER = {
  name: "odd", title: "Odd box", description: "Made for tests.",
  secrets: ["key"], capabilities: [],
  connection_schema: {
    required: ["host", "key"],
    properties: { host: { type: "string", title: "Host" }, key: { type: "string", title: "Key" } },
  },
};
const OFFLINE = { ok: false, detail: "nobody is there", hint: "Switch it on.", warnings: [] };
let probe: Record<string, unknown>;
let refusal: Record<string, unknown> | null;
const sent: { path: string; body: Record<string, unknown> }[] = [];
let page: VueWrapper;

async function answer(request: Request): Promise<Response> {
  const path = new URL(request.url).pathname.replace("/api/v1", "");
  if (request.method === "POST") sent.push({ path, body: await request.clone().json() });
  if (path === "/drivers") return Response.json({ items: [DRIVER], next_cursor: null });
  if (path === "/groups") return Response.json({ items: [], next_cursor: null });
  if (path === "/printers/discover") return Response.json({ items: [], remarks: [], more: false });
  if (path === "/printers/probe") return Response.json(probe);
  const type = { "content-type": "application/problem+json" };
  if (refusal) return new Response(JSON.stringify(refusal), { status: 422, headers: type });
  return Response.json({ id: "new", name: "Left" }, { status: 201 });
}

const router = createRouter({
  history: createMemoryHistory(),
  routes: [
    { path: "/", component: { template: "<i />" } },
    { path: "/printers/:id", name: "printer", component: { template: "<i />" } },
  ],
});

beforeEach(async () => {
  await speak("en", false);
  probe = { ok: true, software: "odd 1", version: "2", name: "Lefty", warnings: [] };
  refusal = null;
  sent.length = 0;
  vi.stubGlobal("fetch", vi.fn(answer));
  await router.push("/");
  const plugins = [i18n, createPinia(), router, VueQueryPlugin];
  page = mount(AddPrinterPage, { global: { plugins }, attachTo: document.body });
  await flushPromises();
  await page.find("input[type=radio]").setValue(true);
});
afterEach(() => {
  page.unmount();
  vi.unstubAllGlobals();
});

async function tryConnection(): Promise<void> {
  const form = page.findAll("form")[0];
  await form?.find("input[type=text]").setValue("box.local");
  await form?.find("input[type=password]").setValue("secret");
  await form?.trigger("submit");
  await flushPromises();
}

describe("AddPrinterPage", () => {
  it("asks the server nothing while a field is empty, and says which", async () => {
    await page.find("form").trigger("submit");
    expect(sent).toEqual([]);
    expect(page.findAll("[aria-invalid=true]")).toHaveLength(2);
  });

  it("opens the last step when something answered, with the name that it gave", async () => {
    await tryConnection();
    const connection = { host: "box.local", key: "secret" };
    expect(sent).toEqual([{ path: "/printers/probe", body: { driver: "odd", connection } }]);
    const name = page.findAll("form")[1]?.find("input").element as HTMLInputElement;
    expect(name.value).toBe("Lefty");
    expect(document.activeElement?.tagName).toBe("H2");
  });

  it("says why nothing answered, and goes on only when told to", async () => {
    probe = OFFLINE;
    await tryConnection();
    expect(page.text()).toContain("nobody is there");
    expect(page.findAll("form")).toHaveLength(1);
    await page.findAll("button").find((one) => one.text() === "Go on anyway")?.trigger("click");
    expect(page.findAll("form")).toHaveLength(2);
  });

  it.each([
    ["auth_required", "It answers, but refuses the key."],
    ["bad_answer", "Something else answers there."],
    ["offline", "It does not answer."],
    ["not_moonraker", "Something else answers there."],
    ["key_needed", "It answers, and wants a key."],
    ["serial_port_missing", "There is no such port."],
    ["serial_port_busy", "Another program holds the port."],
    ["serial_permission", "The server may not open the port."],
    ["serial_wrong_baud", "Something answers, at another speed."],
    ["of_a_driver", "It does not answer yet."],
  ])("tells %s in words of its own, and promises no further try", async (code, words) => {
    const hint = "It is tried again by itself.";
    probe = { ok: false, code, detail: "what the driver says", hint, warnings: [] };
    await tryConnection();
    const said = page.find(".state-card[role=status]").text();
    expect(said).toContain(`${words} Nothing was saved.`);
    expect(said).toContain("what the driver says");
    const own = ["of_a_driver", "serial_permission", "key_needed"];
    expect(said.includes(hint)).toBe(own.includes(code));
  });

  it("forgets the answer when the connection is changed", async () => {
    await tryConnection();
    await page.find("input[type=text]").setValue("other.local");
    expect(page.findAll("form")).toHaveLength(1);
    expect(page.text()).not.toContain("It answers.");
  });

  it("saves, and asks for the first file, which is sent to this printer and ordered", async () => {
    await tryConnection();
    await page.findAll("form")[1]?.trigger("submit");
    await flushPromises();
    expect(sent[1]).toMatchObject({
      path: "/printers", body: { name: "Lefty", driver: "odd", model: { nozzles_mm: [0.4] } },
    });
    expect(page.findAll("form")).toHaveLength(0);
    expect(document.activeElement?.textContent).toContain("What does Left print first?");
    expect(page.find("a").attributes("href")).toBe("/printers/new");
    const start = vi.spyOn(useFarmUploads(), "start").mockReturnValue();
    const file = new File(["G28"], "cube.gcode");
    Object.defineProperty(page.find("input").element, "files", { value: [file] });
    await page.find("input").trigger("change");
    expect(start).toHaveBeenCalledExactlyOnceWith(file, "new");
  });

  it.each(["Add another", "the same address"])("begins anew by %s", async (way) => {
    await tryConnection();
    await router.push("/");
    expect(page.findAll("form")).toHaveLength(2);
    await page.findAll("form")[1]?.trigger("submit");
    await flushPromises();
    if (way === "the same address") await router.push("/");
    else await page.findAll("button").find((one) => one.text() === way)?.trigger("click");
    await flushPromises();
    expect(document.activeElement?.textContent).toContain("1. What is the printer reached by?");
    expect(page.findAll("form")).toHaveLength(0);
    expect(page.find("input:checked").exists()).toBe(false);
    await page.find("input[type=radio]").setValue(true);
    expect(page.find<HTMLInputElement>("input[type=text]").element.value).toBe("");
    probe = { ...probe, name: "Righty" };
    await tryConnection();
    const name = page.findAll("form")[1]?.find("input").element as HTMLInputElement;
    expect(name.value).toBe("Righty");
  });

  it("shows what became of a first file while the next printer is added", async () => {
    await tryConnection();
    await page.findAll("form")[1]?.trigger("submit");
    await flushPromises();
    const told = JSON.stringify({ code: "of_a_test", detail: "it has no layers", hint: "" });
    const headers = { "content-type": "application/problem+json" };
    vi.stubGlobal("fetch", async () => new Response(told, { status: 422, headers }));
    useFarmUploads().start(new File(["G28"], "cube.gcode"), "new");
    await vi.waitFor(() => expect(page.text()).toContain("it has no layers"));
    await page.findAll("button").find((one) => one.text() === "Add another")?.trigger("click");
    await flushPromises();
    expect(page.text()).toContain("1. What is the printer reached by?");
    expect(page.text()).toContain("cube.gcode → Left");
    expect(page.text()).toContain("it has no layers");
  });

  it("shows a refusal at its field, and stays", async () => {
    const errors = [{ field: "body.name", detail: "is taken" }];
    refusal = { code: "invalid_request", detail: "body.name: is taken", hint: "", errors };
    await tryConnection();
    await page.findAll("form")[1]?.trigger("submit");
    await flushPromises();
    expect(page.findAll("form")[1]?.find("[aria-invalid=true]").exists()).toBe(true);
    expect(router.currentRoute.value.fullPath).toBe("/");
  });
});
