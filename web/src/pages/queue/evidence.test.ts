// The evidence is what a running server answered for a printer that had lost its memory.
import { expect, it } from "vitest";

import { notesOf, toldBy } from "./evidence";

const LOST = {
  reason: "the printer has lost its memory",
  started_at: "2026-11-28T02:31:08.705788Z",
  evidence: {
    run: "none",
    began_since: true,
    ending: null,
    reason: "",
    doubt: "the printer has lost its memory",
    silent: false,
    others_ran: true,
    current: false,
    facts: { store: "e8b9140355ee15d7", last_run: 0, history: [] },
    activity: "idle",
    path: null,
  },
};
const short = (keys: string[]): string[] => keys.map((key) => key.replace("queue.resolve.", ""));

it("tells what is known apart from what is not", () => {
  const { known, unknown } = toldBy(LOST, true);
  expect(short(known)).toEqual(["run.none"]);
  expect(short(unknown)).toEqual(["no_ending", "others"]);
});

it("does not take the record of an earlier run for this one's end", () => {
  const evidence = { ...LOST.evidence, ending: "completed", began_since: false };
  const { known, unknown } = toldBy({ ...LOST, evidence }, true);
  expect(short(known)).toContain("ending.completed");
  expect(short(unknown)).toContain("old_record");
});

it("claims nothing where the printer said nothing, and says that it cannot be reached", () => {
  const evidence = { link: "offline", problem: "no answer" };
  const print = { evidence, started_at: null, reason: null };
  const { known, unknown } = toldBy(print, false);
  expect(short(known)).toEqual(["never_seen"]);
  expect(short(unknown)).toEqual(["no_ending", "others", "unreachable"]);
  expect(notesOf(print)).toEqual(["no answer"]);
});

it("repeats no note", () => {
  expect(notesOf(LOST)).toEqual(["the printer has lost its memory"]);
});
