// What the Files page makes of files, orders and what a browser remembers.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import type { LiveJob } from "@/live/frames";

import { materialsOf, type FileOut } from "./materials";
import { markOf, recall, recallAll, remember } from "./memory";
import { orderOf } from "./order";
import { matches } from "./search";
import { jobsOf } from "./uses";

function tool(number: number, type: string | null, grams: number | null, mm: number | null = 5) {
  const nozzle_mm = null;
  return { tool: number, filament_type: type, filament_g: grams, filament_mm: mm, nozzle_mm };
}

function file(name: string, analysis: object | null = null): FileOut {
  return { id: "f", name, analysis } as FileOut;
}

describe("materialsOf", () => {
  it("has one entry a tool that is used", () => {
    const used = [tool(0, "PLA", 3), tool(1, "PETG", null)];
    const tools = [...used, tool(2, "ABS", 0), tool(3, "PVA", 1, 0)];
    expect(materialsOf(file("a", { tools, filament_g: 9 }))).toEqual([
      { tool: 0, type: "PLA", grams: 3 },
      { tool: 1, type: "PETG", grams: null },
    ]);
  });

  it("gives a single tool the whole file's weight where its own is not said", () => {
    const [one] = materialsOf(file("a", { tools: [tool(0, "PLA", null)], filament_g: 9 }));
    expect(one?.grams).toBe(9);
    expect(materialsOf(file("a"))).toEqual([]);
  });
});

describe("matches", () => {
  const tools = [tool(0, "PETG", 3)];
  const bracket = file("Halter-Größe_2.gcode", { tools, printer_model: "MK4" });

  it("finds by every word, of name, material and printer, whatever the case", () => {
    for (const search of ["", "  ", "halter", "GRÖßE", "petg mk4", "größe"]) {
      expect(matches(bracket, search), search).toBe(true);
    }
    for (const search of ["pla", "halter pla", "mk3"]) {
      expect(matches(bracket, search), search).toBe(false);
    }
  });
});

describe("orderOf", () => {
  const order = { file: "f", copies: 3, printer: "", due: "", group: "" };
  const wanted = { ...order, priority: "high" } as const;

  it("asks for nothing that was not filled in", () => {
    expect(orderOf(wanted)).toEqual({ file_id: "f", copies: 3, priority: "high" });
  });

  it("names the printer, the group and the moment", () => {
    const due = "2027-03-01T12:00";
    expect(orderOf({ ...wanted, printer: "p", group: "hall", due })).toMatchObject({
      requirements: { printers: ["p"], group: "hall" },
      due: new Date(2027, 2, 1, 12).toISOString(),
    });
  });
});

describe("jobsOf", () => {
  it("names the unfinished jobs of the file, the first ordered first", () => {
    const job = (number: number, state: string, file_id = "f") =>
      ({ number, state, file_id }) as LiveJob;
    const jobs = [
      job(4, "queued"),
      job(2, "active"),
      job(1, "completed"),
      job(3, "cancelled"),
      job(5, "failed"),
      job(6, "active", "g"),
    ];
    expect(jobsOf(jobs, "f").map((one) => one.number)).toEqual([2, 4]);
  });
});

describe("memory", () => {
  const chosen = { name: "a|b.gcode", size: 5, lastModified: 1 };
  beforeEach(() => localStorage.clear());
  afterEach(() => vi.useRealTimers());

  it("recognises the same file of the same person, and no other", () => {
    remember(markOf(chosen, "ann"), chosen, "/u/1");
    expect(recall(markOf({ ...chosen }, "ann"))?.path).toBe("/u/1");
    expect(recall(markOf(chosen, "bob"))).toBeNull();
    expect(recall(markOf({ ...chosen, size: 6 }, "ann"))).toBeNull();
    expect(recall(markOf({ ...chosen, lastModified: 2 }, "ann"))).toBeNull();
    expect(recallAll("ann").map(([, one]) => one.name)).toEqual(["a|b.gcode"]);
    expect(recallAll("an")).toEqual([]);
  });

  it("forgets what has arrived, and what is older than the server keeps", () => {
    const mark = markOf(chosen, "ann");
    remember(mark, chosen, "/u/1");
    remember(mark, chosen, null);
    expect(recall(mark)).toBeNull();
    vi.useFakeTimers({ now: Date.now() });
    remember(mark, chosen, "/u/2");
    vi.setSystemTime(Date.now() + 4 * 24 * 3600 * 1000);
    expect(recall(mark)).toBeNull();
  });

  it("begins from the start where the memory holds something else", () => {
    localStorage.setItem("buildplate.uploads", "not json");
    expect(recall("x")).toBeNull();
    remember("x", chosen, "/u/3");
    expect(recall("x")?.path).toBe("/u/3");
  });
});
