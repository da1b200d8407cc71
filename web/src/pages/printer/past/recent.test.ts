import { expect, it } from "vitest";

import type { components } from "@/api/schema";

import { newestFirst } from "./recent";

const event = (seq: number): components["schemas"]["EventOut"] => ({
  seq, id: String(seq), at: "2026-01-01T00:00:00Z", kind: "print.printing",
  printer_id: "a", job_id: null, print_id: null, data: {},
});

it("shows each once, the newest first", () => {
  const shown = newestFirst([event(2), event(1)], [event(2), event(3)]);
  expect(shown.map((one) => one.seq)).toEqual([3, 2, 1]);
});
