// A printer that was moved on the plan can be put back.
import { VueQueryPlugin } from "@tanstack/vue-query";
import { mount } from "@vue/test-utils";
import { afterEach, beforeAll, expect, it, vi } from "vitest";
import { computed } from "vue";

import { i18n, speak } from "@/i18n";
import { useNotices } from "@/ui/notices";

import type { Description, Descriptions } from "./descriptions";
import { usePlaces, type Places } from "./places";

const fetched = vi.fn<(request: Request) => Promise<Response>>();
const notices = useNotices();
beforeAll(() => speak("en", false));
afterEach(() => {
  notices.forget();
  vi.unstubAllGlobals();
});

const HERE = { floor: "f", x: 100, y: 200, rotation: 0 };
const THERE = { ...HERE, x: 300 };

function open(): Places {
  vi.stubGlobal("fetch", fetched);
  const lamp = { id: "p", name: "Alder", floor_position: HERE } as Description;
  const byId = computed(() => new Map([["p", lamp]]));
  const descriptions = { byId, renew: async () => undefined } as unknown as Descriptions;
  let places: Places | null = null;
  const page = { setup: () => void (places = usePlaces(descriptions)), render: () => null };
  mount(page, { global: { plugins: [i18n, VueQueryPlugin] } });
  return places as unknown as Places;
}
async function stored(): Promise<unknown[]> {
  const sent = fetched.mock.calls.map(([one]) => one).filter((one) => one.method === "PATCH");
  return Promise.all(sent.map(async (one) => ((await one.clone().json()) as object)));
}

it("is put back where it was by the same request", async () => {
  fetched.mockImplementation(async () => Response.json({ items: [] }));
  await open().move("p", THERE);
  expect(notices.undoable.value?.text).toBe("Alder was moved on the floor plan.");
  await notices.act(notices.undoable.value?.id ?? 0);
  expect(await stored()).toEqual([{ floor_position: THERE }, { floor_position: HERE }]);
});

it("offers nothing to undo where the move was refused", async () => {
  const headers = { "content-type": "application/problem+json" };
  fetched.mockImplementation(async () => new Response("{}", { status: 403, headers }));
  const places = open();
  await places.move("p", THERE);
  expect(places.moves.get("p")?.problem?.status).toBe(403);
  expect(notices.undoable.value).toBeNull();
});
