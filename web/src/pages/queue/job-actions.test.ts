import { expect, it } from "vitest";

import type { LiveJob } from "@/live/frames";

import { actionsFor } from "./job-actions";

const job = (changes: Partial<LiveJob>): LiveJob => {
  const plain = { state: "queued", hold: false, copies: 2, finished: 0, active: 0, queued: 2 };
  return { ...plain, ...changes } as LiveJob;
};

it("holds what runs, releases what is held", () => {
  expect(actionsFor(job({}))).toEqual(["hold", "edit", "duplicate", "cancel"]);
  expect(actionsFor(job({ hold: true }))[0]).toBe("release");
});

it("retries only where copies are missing, and nothing that was cancelled", () => {
  const failed = job({ state: "failed", finished: 1, queued: 0 });
  expect(actionsFor(failed)).toEqual(["retry", "duplicate"]);
  expect(actionsFor(job({ state: "completed", finished: 2, queued: 0 }))).toEqual(["duplicate"]);
  expect(actionsFor(job({ state: "cancelled", queued: 0 }))).toEqual(["duplicate"]);
});
