// What prints are called, looked up sparingly and for as long as it takes.
import { createPinia, setActivePinia } from "pinia";
import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { AGAIN_MS, MOST_NAMES, usePrintNames } from "./prints";

const asked: string[] = [];
let printing: string[] = [];
let answer: (id: string) => Promise<Response>;
const named = (id: string) => ({
  id, job_id: "j", file_name: `${id}.gcode`, copy_no: 1, number: 1,
});

async function fetched(request: Request): Promise<Response> {
  const url = new URL(request.url);
  const path = url.pathname.replace("/api/v1/prints", "");
  asked.push(path || url.search);
  if (path === "") return Response.json({ items: printing.map(named), next_cursor: null });
  return answer(path.slice(1));
}

beforeEach(() => {
  vi.useFakeTimers();
  asked.length = 0;
  printing = [];
  answer = async (id) => Response.json(named(id));
  vi.stubGlobal("fetch", fetched);
  setActivePinia(createPinia());
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const settle = () => vi.advanceTimersByTimeAsync(10);
const ids = (count: number) => Array.from({ length: count }, (_, at) => `p${at}`);

it("asks again for what could not be looked up, and not for what is not there", async () => {
  const names = usePrintNames();
  answer = async (id) => {
    if (id === "p0") throw new TypeError("network");
    return id === "p1" ? new Response("{}", { status: 404 }) : Response.json(named(id));
  };
  for (const id of ids(3)) names.nameOf(id);
  await settle();
  expect(ids(3).map((id) => names.nameOf(id)?.file_name)).toEqual([
    undefined, undefined, "p2.gcode",
  ]);
  expect(asked).toHaveLength(3);
  answer = async (id) => Response.json(named(id));
  await vi.advanceTimersByTimeAsync(AGAIN_MS);
  expect(asked.slice(3)).toEqual(["/p0"]);
  expect(names.nameOf("p0")?.file_name).toBe("p0.gcode");
  await vi.advanceTimersByTimeAsync(AGAIN_MS * 3);
  expect(asked).toHaveLength(4);
});

it("waits for the list that is being read, and asks only for what is not in it", async () => {
  const names = usePrintNames();
  printing = ids(12);
  let arrive = (): void => undefined;
  vi.stubGlobal("fetch", async (request: Request) => {
    const answer = await fetched(request);
    if (asked.length === 1) await new Promise<void>((go) => (arrive = go));
    return answer;
  });
  for (const id of ids(6)) names.nameOf(id);
  await settle();
  for (const id of [...ids(12).slice(6), "p99"]) names.nameOf(id);
  await settle();
  expect(asked).toEqual(["?limit=1000&state=printing"]);
  arrive();
  await settle();
  expect(asked).toEqual(["?limit=1000&state=printing", "/p99"]);
  expect(ids(12).every((id) => names.nameOf(id) !== undefined)).toBe(true);
});

it("asks for what is printing first where there are many, then for six at a time", async () => {
  const names = usePrintNames();
  printing = ids(10);
  const waiting: (() => void)[] = [];
  answer = (id) =>
    new Promise((resolve) => waiting.push(() => resolve(Response.json(named(id)))));
  for (const id of ids(20)) names.nameOf(id);
  await settle();
  expect(asked[0]).toBe("?limit=1000&state=printing");
  expect(asked).toHaveLength(1 + 6);
  while (waiting.length) {
    for (const go of waiting.splice(0)) go();
    await settle();
  }
  expect(asked).toHaveLength(1 + 10);
  expect(ids(20).every((id) => names.nameOf(id) !== undefined)).toBe(true);
});

it("keeps nothing that comes after everything was forgotten", async () => {
  const names = usePrintNames();
  let come: () => void = () => undefined;
  answer = (id) => new Promise((resolve) => (come = () => resolve(Response.json(named(id)))));
  names.nameOf("p0");
  await settle();
  names.clear();
  come();
  await settle();
  answer = async () => new Response("{}", { status: 404 });
  expect(names.nameOf("p0")).toBeUndefined();
});

it("forgets the oldest of very many", async () => {
  const names = usePrintNames();
  printing = ids(MOST_NAMES + 10);
  for (const id of ids(5)) names.nameOf(`other-${id}`);
  await settle();
  expect(names.nameOf(`p${MOST_NAMES + 9}`)).toBeDefined();
  expect(names.nameOf("p0")).toBeUndefined();
});
