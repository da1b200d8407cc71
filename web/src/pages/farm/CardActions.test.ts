// A card's one action, and what is said of it.
import { flushPromises, mount } from "@vue/test-utils";
import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { i18n, speak } from "@/i18n";

import CardActions from "./CardActions.vue";
import { FARM } from "./context";

let refuse: () => void = () => undefined;

beforeEach(async () => {
  await speak("en", false);
  const headers = { "content-type": "application/problem+json" };
  const told = JSON.stringify({ code: "printer_busy", detail: "it is heating", hint: "" });
  const refusal = () => new Response(told, { status: 409, headers });
  const fetched = () => new Promise((resolve) => (refuse = () => resolve(refusal())));
  vi.stubGlobal("fetch", vi.fn(fetched));
});
afterEach(() => void vi.unstubAllGlobals());

it("forgets a refusal that comes when the slot has become another action's", async () => {
  const props = { printerId: "a", state: "printing" as const, bedVersion: 1, printing: true };
  const provide = { [FARM as symbol]: { nameOf: () => "Left" } };
  const card = mount(CardActions, { props, global: { plugins: [i18n], provide } });
  const said = () => card.find("[role=alert]").exists();
  await card.find("[data-act=pause]").trigger("click");
  refuse();
  await flushPromises();
  expect(said()).toBe(true);
  await card.find("[data-act=pause]").trigger("click");
  await card.setProps({ state: "paused" });
  refuse();
  await flushPromises();
  await card.setProps({ state: "printing" });
  expect(said()).toBe(false);
  card.unmount();
});
