import { describe, expect, it } from "vitest";
import { effect } from "vue";

import { Board, KEPT_ENDED, KEPT_EVENTS } from "./board";
import type { LiveEvent, LiveJob, LivePrinter, Patch, Snapshot } from "./frames";

const printer = (id: string, more: Partial<LivePrinter> = {}): LivePrinter =>
  ({ id, name: `Printer ${id}`, progress: null, ...more }) as LivePrinter;
const job = (id: string): LiveJob => ({ id, name: `Job ${id}` }) as LiveJob;
const snapshot = (seq: number, more: Partial<Snapshot> = {}): Snapshot => ({
  type: "snapshot",
  epoch: "first",
  seq,
  at_s: 10,
  printers: [printer("a"), printer("b")],
  jobs: [job("j")],
  queue: { items: [], total: 3 },
  last_event: 7,
  ...more,
});
const patch = (seq: number, more: Partial<Patch> = {}): Patch => ({
  type: "patch",
  seq,
  at_s: 11,
  ...more,
});
const event = (seq: number): LiveEvent => ({ seq }) as LiveEvent;

function known(): Board {
  const board = new Board();
  board.apply(snapshot(40));
  return board;
}

describe("a board", () => {
  it("takes nothing before the first snapshot", () => {
    expect(new Board().apply(patch(1))).toBe(false);
  });

  it("counts the snapshots after the first: what was told between has passed unheard", () => {
    const board = known();
    board.apply(patch(41));
    expect(board.anew.value).toBe(0);
    board.apply(snapshot(60));
    expect(board.anew.value).toBe(1);
    board.clear();
    board.apply(snapshot(1));
    expect(board.anew.value).toBe(1);
  });

  it("changes only the fields that a patch names, and only that printer's object", () => {
    const board = known();
    const [a, b] = [board.printers.get("a"), board.printers.get("b")];
    expect(board.apply(patch(42, { printers: [{ id: "a", progress: 0.5 }] }))).toBe(true);
    expect(board.printers.get("a")).toEqual({ ...a, progress: 0.5 });
    expect(board.printers.get("a")).not.toBe(a);
    expect(board.printers.get("b")).toBe(b);
    expect(board.place).toEqual({ epoch: "first", seq: 42 });
  });

  it("draws again only what looks at the printer that changed", () => {
    const board = known();
    const drawn = { a: 0, b: 0 };
    for (const id of ["a", "b"] as const) {
      effect(() => {
        board.printers.get(id);
        drawn[id] += 1;
      });
    }
    board.apply(patch(41, { printers: [{ id: "a", progress: 0.1 }] }));
    expect(drawn).toEqual({ a: 2, b: 1 });
  });

  it("forgets what is gone and takes what is new", () => {
    const board = known();
    const news = { printers: [printer("c")], gone: ["b"], jobs: [job("k")], gone_jobs: ["j"] };
    expect(board.apply(patch(41, news))).toBe(true);
    expect([...board.printers.keys()]).toEqual(["a", "c"]);
    expect([...board.jobs.keys()]).toEqual(["k"]);
  });

  it("asks for everything anew when a patch tells a part of a printer it does not know", () => {
    const board = known();
    expect(board.apply(patch(41, { printers: [{ id: "z", progress: 0.5 }] }))).toBe(false);
    expect(board.printers.has("z")).toBe(false);
    expect(board.place?.seq).toBe(40);
  });

  it("asks for everything anew when numbers go back", () => {
    expect(known().apply(patch(40))).toBe(false);
    expect(known().apply(patch(3))).toBe(false);
  });

  it("lets a snapshot replace all, also one of a server that was started again", () => {
    const board = known();
    const whole = { epoch: "second", printers: [printer("c")], jobs: [], last_event: 1 };
    board.apply(snapshot(2, whole));
    expect([...board.printers.keys()]).toEqual(["c"]);
    expect(board.jobs.size).toBe(0);
    expect(board.place).toEqual({ epoch: "second", seq: 2 });
    expect(board.apply(patch(3, { events: [event(2)] }))).toBe(true);
    expect(board.events.value).toEqual([event(2)]);
  });

  it("keeps events in order, each once, and not for ever", () => {
    const board = known();
    board.apply(patch(41, { events: [event(7), event(8)] }));
    expect(board.events.value).toEqual([event(8)]);
    const many = Array.from({ length: KEPT_EVENTS + 5 }, (_, at) => event(9 + at));
    board.apply(patch(42, { events: many }));
    expect(board.events.value).toHaveLength(KEPT_EVENTS);
    expect(board.events.value.at(-1)).toEqual(many.at(-1));
  });
});

it("keeps the jobs that have ended last, and all that have not", () => {
  const board = known();
  const completed = (id: string): LiveJob => ({ ...job(id), state: "completed" });
  let seq = 100;
  const tell = (one: LiveJob): boolean => board.apply(patch((seq += 1), { jobs: [one] }));
  for (const id of ["first", "again"]) tell(completed(id));
  tell({ ...job("again"), state: "queued" });
  for (let at = 0; at < KEPT_ENDED; at += 1) tell(completed(`e${at}`));
  expect(board.jobs.has("first")).toBe(false);
  expect(board.jobs.has("j")).toBe(true);
  expect(board.jobs.has("again")).toBe(true);
  expect(board.jobs.size).toBe(KEPT_ENDED + 2);
});
