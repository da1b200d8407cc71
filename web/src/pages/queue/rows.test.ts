import { expect, it } from "vitest";

import type { QueueItem } from "@/live/frames";

import { mainReason, movesTo, peersOf, placeBeside, rowsOf } from "./rows";

function item(job: string, copy = 1, priority: QueueItem["priority"] = "normal"): QueueItem {
  return {
    print_id: `${job}${copy}`,
    job_id: job,
    job_number: 1,
    copy_no: copy,
    position: 1,
    priority,
    due: null,
    slack_s: null,
    late: false,
    expected_start: null,
    expected_end: null,
    printer_id: null,
    waiting_summary: [],
  };
}
const rows = rowsOf([
  item("u", 1, "urgent"),
  item("a"),
  item("b"),
  item("a", 2),
  item("c"),
  item("z", 1, "low"),
]);

/** What the API does with the calls: each puts a job right ahead of another one. */
function after(order: string[], moves: ReturnType<typeof movesTo>): string[] {
  return moves.reduce((now, { job, before }) => {
    const others = now.filter((one) => one !== job);
    others.splice(others.indexOf(before), 0, job);
    return others;
  }, order);
}

it("shows a job once, at the place of its first print", () => {
  expect(rows.map((row) => row.jobId)).toEqual(["u", "a", "b", "c", "z"]);
  expect(rows[1]?.prints.map((print) => print.copy_no)).toEqual([1, 2]);
});

it("moves a job among those of its priority only", () => {
  expect(peersOf(rows, "b")).toEqual(["a", "b", "c"]);
  expect(placeBeside(rows, "a", -1)).toBeNull();
  expect(placeBeside(rows, "c", 1)).toBeNull();
  expect(placeBeside(rows, "u", 1)).toBeNull();
  expect(placeBeside(rows, "b", 1)).toBe(2);
});

it.each([
  ["c", 0, ["c", "a", "b"]],
  ["c", 1, ["a", "c", "b"]],
  ["a", 1, ["b", "a", "c"]],
  ["a", 2, ["b", "c", "a"]],
  ["b", 1, ["a", "b", "c"]],
])("brings %s to place %i", (job, place, wanted) => {
  expect(after(["a", "b", "c"], movesTo(rows, job, place))).toEqual(wanted);
});

it("asks for nothing where a job is there, or alone", () => {
  expect(movesTo(rows, "b", 1)).toEqual([]);
  expect(movesTo(rows, "u", 1)).toEqual([]);
});

it("tells why the right printers are not free before that others are the wrong ones", () => {
  const waiting_summary = [
    { code: "printer_not_listed", count: 4 },
    { code: "bed_not_clear", count: 2 },
  ];
  expect(mainReason({ waiting_summary })).toEqual({ code: "bed_not_clear", count: 2 });
  expect(mainReason({ waiting_summary: [] })).toBeNull();
});
