// What is around: looked for by itself once and again on demand, and chosen by name.
import { VueQueryPlugin } from "@tanstack/vue-query";
import { flushPromises, mount, type VueWrapper } from "@vue/test-utils";
import { createPinia } from "pinia";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createMemoryHistory, createRouter } from "vue-router";

import { i18n, speak } from "@/i18n";

import AddPrinterPage from "./AddPrinterPage.vue";

const DRIVERS = ["odd", "other"].map((name) => ({
  name, title: `${name} box`, description: "", secrets: ["key"], capabilities: [],
  connection_schema: {
    required: ["host", "key"],
    properties: { host: { type: "string", title: "Host" }, key: { type: "string", title: "Key" } },
  },
}));
const LEFT = {
  kind: "network", family: "Odd", name: "Odd on left", where: "192.168.1.20:80", host: "left.local",
  driver: "odd", connection: { host: "192.168.1.20", key: "never shown" }, printer_id: null,
  code: null, detail: null, hint: null,
};
const OTHER = { ...LEFT, name: "Other", where: "192.168.1.21:80", driver: "other", host: null };
const KNOWN = { ...LEFT, name: "Known", where: "192.168.1.22:80", printer_id: "p1" };
const PRUSA = {
  ...LEFT, family: "PrusaLink", name: "MK4", where: "192.168.1.23:80", driver: null,
  connection: {}, code: "no_driver", detail: "no driver for PrusaLink is installed",
  hint: "Install the package that brings a driver for it, then restart Buildplate.",
};
const PORT = {
  ...LEFT, kind: "serial", family: "USB or serial", name: "", where: "/dev/ttyACM0", host: null,
  connection: { host: "/dev/ttyACM0" },
  code: "serial_permission", detail: "ann may not open /dev/ttyACM0", hint: "Do this.",
};
let items: unknown[];
let remarks: unknown[];
let late: Promise<void> | null;
let broken: boolean;
let searches: number;
let page: VueWrapper;

async function answer(request: Request): Promise<Response> {
  const { pathname, searchParams } = new URL(request.url);
  if (pathname.endsWith("/drivers")) return Response.json({ items: DRIVERS, next_cursor: null });
  if (pathname.endsWith("/groups")) return Response.json({ items: [], next_cursor: null });
  expect([pathname, searchParams.get("seconds")]).toEqual(["/api/v1/printers/discover", "3"]);
  searches += 1;
  await late;
  if (broken) return new Response("", { status: 500 });
  return Response.json({ items, remarks, more: false });
}

const router = createRouter({
  history: createMemoryHistory(),
  routes: [
    { path: "/", component: { template: "<i />" } },
    { path: "/printers/:id", name: "printer", component: { template: "<i />" } },
  ],
});

async function open(): Promise<void> {
  const plugins = [i18n, createPinia(), router, VueQueryPlugin];
  page = mount(AddPrinterPage, { global: { plugins }, attachTo: document.body });
  await flushPromises();
}

const button = (name: string) =>
  page.findAll("button").find((one) => (one.attributes("aria-label") ?? one.text()) === name);

beforeEach(async () => {
  await speak("en", false);
  items = [LEFT, OTHER, KNOWN, PRUSA, PORT];
  remarks = [];
  late = null;
  broken = false;
  searches = 0;
  vi.stubGlobal("fetch", vi.fn(answer));
});
afterEach(() => {
  page.unmount();
  vi.unstubAllGlobals();
});

describe("FoundPrinters", () => {
  it("lists what was found, and says how many to whoever cannot see it", async () => {
    await open();
    expect(page.findAll("li")).toHaveLength(5);
    expect(page.find("[role=status]").text()).toBe("5 things were found.");
    expect(page.text()).toContain("Odd · left.local · 192.168.1.20:80");
    expect(page.text()).toContain("USB or serial port · /dev/ttyACM0");
  });

  it("begins with the driver and the settings that were found, but with no secret", async () => {
    await open();
    await button("Choose Odd on left, 192.168.1.20:80")?.trigger("click");
    await flushPromises();
    expect(page.find<HTMLInputElement>("input:checked").element.value).toBe("odd");
    expect(page.find<HTMLInputElement>("input[type=text]").element.value).toBe("192.168.1.20");
    expect(page.find<HTMLInputElement>("input[type=password]").element.value).toBe("");
    expect(document.activeElement?.textContent).toContain("2. Where is it?");
  });

  it.each(["odd", "other"])("replaces what was begun before with %s", async (driver) => {
    await open();
    await button("Choose Odd on left, 192.168.1.20:80")?.trigger("click");
    await flushPromises();
    await page.find("input[type=text]").setValue("typed");
    const [name, where] = driver === "odd" ? ["Odd on left", LEFT.where] : ["Other", OTHER.where];
    await button(`Choose ${name}, ${where}`)?.trigger("click");
    await flushPromises();
    expect(page.find<HTMLInputElement>("input:checked").element.value).toBe(driver);
    expect(page.find<HTMLInputElement>("input[type=text]").element.value).toBe("192.168.1.20");
  });

  it("leads to what is a printer already, and offers nothing that no driver takes", async () => {
    await open();
    const [, , known, prusa, port] = page.findAll("li");
    expect(known?.find("a").attributes("href")).toBe("/printers/p1");
    expect(known?.find("button").exists()).toBe(false);
    expect(prusa?.text()).toContain("no driver for PrusaLink is installed");
    expect(prusa?.find("button").exists()).toBe(false);
    expect(port?.text()).toContain("ann may not open /dev/ttyACM0");
    expect(port?.find("button").exists()).toBe(true);
  });

  it("tells that it searches, and searches again when told to", async () => {
    let go = (): void => undefined;
    late = new Promise((resolve) => (go = resolve));
    await open();
    expect(page.find("[role=progressbar]").exists()).toBe(true);
    expect(page.find("[role=status]").text()).toContain("Looking for printers");
    await button("Search again")?.trigger("click");
    expect(searches).toBe(1);
    go();
    await flushPromises();
    expect(page.find("[role=progressbar]").exists()).toBe(false);
    items = [PORT];
    await button("Search again")?.trigger("click");
    await flushPromises();
    expect(searches).toBe(2);
    expect(page.findAll("li")).toHaveLength(1);
    expect(page.find("[role=status]").text()).toBe("One thing was found.");
  });

  it("says where nothing could be heard, and leaves the other ways open", async () => {
    items = [];
    remarks = [{
      code: "mdns_off", detail: "looking for printers in the network is switched off", hint: "Ask.",
    }];
    await open();
    expect(page.text()).toContain("Nothing was found. Say below how the printer is reached.");
    expect(page.text()).toContain("looking for printers in the network is switched off");
    broken = true;
    await button("Search again")?.trigger("click");
    await flushPromises();
    expect(page.find("[role=alert]").exists()).toBe(true);
    expect(page.findAll("input[type=radio]")).toHaveLength(2);
  });

  it("speaks German", async () => {
    await speak("de", false);
    items = [PRUSA, PORT];
    await open();
    await vi.waitFor(() =>
      expect(page.text()).toContain("Für PrusaLink ist kein Treiber installiert."),
    );
    expect(page.text()).toContain("ann darf /dev/ttyACM0 nicht öffnen.");
    expect(page.text()).toContain("Noch einmal suchen");
  });
});
