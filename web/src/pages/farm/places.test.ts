// A printer that was moved on the plan can be put back.
import { VueQueryPlugin } from "@tanstack/vue-query";
import { flushPromises, mount } from "@vue/test-utils";
import { afterEach, beforeAll, expect, it, vi } from "vitest";
import { computed, shallowRef } from "vue";

import { i18n, speak } from "@/i18n";
import { useNotices } from "@/ui/notices";

import type { Description, Descriptions } from "./descriptions";
import { usePlaces, type Places } from "./places";

const fetched = vi.fn<(request: Request) => Promise<Response>>();
const notices = useNotices();
beforeAll(() => speak("en", false));
afterEach(() => {
  notices.forget();
  fetched.mockReset();
  vi.unstubAllGlobals();
});

const HERE = { floor: "f", x: 100, y: 200, rotation: 0 };
const THERE = { ...HERE, x: 300 };

/** `held`: where the server has the printer, as it is read after each move. */
function open(held: () => typeof HERE = () => HERE): Places {
  vi.stubGlobal("fetch", fetched);
  const known = shallowRef(HERE);
  const lamp = () => ({ id: "p", name: "Alder", floor_position: known.value }) as Description;
  const byId = computed(() => new Map([["p", lamp()]]));
  const renew = async () => void (known.value = held());
  const descriptions = { byId, renew } as unknown as Descriptions;
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

const FAR = { ...HERE, x: 500 };

it("moves a printer again only once it was moved, and undoes both at once", async () => {
  let held = HERE;
  const answers: (() => void)[] = [];
  fetched.mockImplementation(async (request) => {
    if (request.method === "GET") return Response.json({ items: [] });
    const { floor_position } = (await request.clone().json()) as { floor_position: typeof HERE };
    await new Promise<void>((resolve) => answers.push(resolve));
    held = floor_position;
    return Response.json({});
  });
  const answer = async () => {
    await vi.waitFor(() => expect(answers).toHaveLength(1));
    answers.pop()?.();
    await flushPromises();
  };
  const places = open(() => held);
  const both = [places.move("p", THERE), places.move("p", FAR)];
  await flushPromises();
  expect(await stored()).toEqual([{ floor_position: THERE }]);
  await answer();
  expect(notices.undoable.value).toBeNull();
  expect(places.moves.get("p")?.place).toEqual(FAR);
  await answer();
  await Promise.all(both);
  const last = places.move("p", THERE);
  const undone = notices.act(notices.undoable.value?.id ?? 0);
  await answer();
  await answer();
  await Promise.all([last, undone]);
  expect((await stored()).slice(1)).toEqual([
    { floor_position: FAR }, { floor_position: THERE }, { floor_position: HERE },
  ]);
  expect(held).toEqual(HERE);
  expect(notices.undoable.value).toBeNull();
});

it("takes back the move that was made where another one right after it is refused", async () => {
  let held = HERE;
  const headers = { "content-type": "application/problem+json" };
  fetched.mockImplementation(async (request) => {
    if (request.method === "GET") return Response.json({ items: [] });
    const { floor_position } = (await request.clone().json()) as { floor_position: typeof HERE };
    if (floor_position.x === FAR.x) return new Response("{}", { status: 403, headers });
    held = floor_position;
    return Response.json({});
  });
  const places = open(() => held);
  await Promise.all([places.move("p", THERE), places.move("p", FAR)]);
  expect(places.moves.get("p")?.problem?.status).toBe(403);
  expect(held).toEqual(THERE);
  await notices.act(notices.undoable.value?.id ?? 0);
  expect(held).toEqual(HERE);
  expect(notices.undoable.value).toBeNull();
});

it("counts from where it was put back, where a move was waiting for that", async () => {
  let held = HERE;
  fetched.mockImplementation(async (request) => {
    if (request.method === "PATCH") {
      held = ((await request.clone().json()) as { floor_position: typeof HERE }).floor_position;
    }
    return Response.json({ items: [] });
  });
  const places = open(() => held);
  await places.move("p", THERE);
  const further = places.move("p", FAR);
  const undone = notices.act(notices.undoable.value?.id ?? 0);
  await Promise.all([further, undone, places.move("p", { ...HERE, x: 700 })]);
  expect(held.x).toBe(700);
  await notices.act(notices.undoable.value?.id ?? 0);
  expect(held).toEqual(HERE);
});
