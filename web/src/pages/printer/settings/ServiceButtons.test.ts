// Disconnecting and connecting: what is sent, and when it is asked about first.
import { VueQueryPlugin } from "@tanstack/vue-query";
import { DOMWrapper, flushPromises, mount, type VueWrapper } from "@vue/test-utils";
import { createPinia } from "pinia";
import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { i18n, speak } from "@/i18n";
import type { LivePrinter } from "@/live/frames";

import type { Printer } from "../printer";
import ServiceButtons from "./ServiceButtons.vue";

const sent: string[] = [];
let buttons: VueWrapper;

beforeEach(async () => {
  await speak("en", false);
  sent.length = 0;
  vi.stubGlobal("fetch", async (request: Request) => {
    sent.push(`${request.method} ${new URL(request.url).pathname}`);
    return Response.json({});
  });
});
afterEach(() => {
  buttons.unmount();
  vi.unstubAllGlobals();
});

function open(enabled: boolean, print: string | null): void {
  const printer = { id: "a", name: "Left", enabled } as unknown as Printer;
  const live = { link: enabled ? "online" : "disabled", print_id: print } as unknown as LivePrinter;
  const global = { plugins: [i18n, createPinia(), VueQueryPlugin] };
  buttons = mount(ServiceButtons, { global, props: { printer, live }, attachTo: document.body });
}

async function press(label: string, within: Element = document.body): Promise<void> {
  const all = new DOMWrapper(within).findAll("button");
  const found = all.filter((one) => one.text() === label).at(-1);
  if (found === undefined) throw new Error(`there is no button ${label}`);
  await found.trigger("click");
  await flushPromises();
}

it("disconnects a printer at once, and connects it again", async () => {
  open(true, null);
  await press("Disconnect and switch off");
  expect(sent).toEqual(["POST /api/v1/printers/a/disconnect"]);
  buttons.unmount();
  open(false, null);
  await press("Switch on and connect");
  expect(sent.at(-1)).toBe("POST /api/v1/printers/a/connect");
});

it("asks before it loses sight of a print", async () => {
  open(true, "p");
  await press("Disconnect and switch off");
  expect(sent).toEqual([]);
  const dialog = document.querySelector("[role=alertdialog]");
  expect(dialog?.textContent).toContain("Disconnect Left while it holds a print?");
  await press("Disconnect and switch off", dialog as Element);
  expect(sent).toEqual(["POST /api/v1/printers/a/disconnect"]);
});
