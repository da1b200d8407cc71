import { expect, it } from "vitest";

import { sinceOf, spanOf } from "./spans";
import type { Due, Spent } from "./sums";
import { lateBars, outcomeBars, reasonBars, timeBars, wasThere } from "./sums";

const words = {
  name: (key: string | null) => key ?? "unknown",
  share: (value: number | null) => (value === null ? "–" : `${value * 100} %`),
};
const ended = { completed: 3, failed: 1, cancelled: 2, not_started: 0, printed_s: 9 };
const due = (late_s: number, finished: boolean): Due => ({
  job_id: String(late_s),
  number: 1,
  name: "",
  customer: null,
  due: "",
  copies: 1,
  made: 1,
  finished_at: finished ? "2027-01-31T12:00:00Z" : null,
  late_s,
});
const spent: Spent = {
  key: "p",
  printing_s: 10,
  foreign_s: 5,
  idle_s: 20,
  waiting_s: 1,
  offline_s: 2,
  disabled_s: 0,
  unwatched_s: 0,
  utilization: 0.5,
};

it("shows every end of a key's prints, and the share that succeeded", () => {
  const bars = outcomeBars([{ ...ended, key: null, success_rate: 0.75 }], words);
  expect(bars).toEqual([{ key: "", label: "unknown", values: [3, 1, 2, 0], said: "75 %" }]);
});

it("counts a reason however the print ended by it", () => {
  const [bar] = reasonBars([{ ...ended, key: "jam", success_rate: 0 }], words, String);
  expect(bar).toEqual({ key: "jam", label: "jam", values: [1, 2, 0], said: "3" });
});

it("has a part of its own for foreign prints, so that the first part is the utilisation", () => {
  const one = { ...spent, utilization: 10 / 38 };
  const [bar] = timeBars([one], { ...words, share: String });
  expect(bar?.values).toEqual([10, 5, 1, 20, 2]);
  const all = (bar?.values ?? []).reduce((sum, value) => sum + value, 0);
  expect(Number(bar?.said)).toBeCloseTo((bar?.values[0] ?? 0) / all);
});

it("leaves out what nobody watched", () => {
  const nothing = { ...spent, printing_s: 0, foreign_s: 0, idle_s: 0, waiting_s: 0, offline_s: 0 };
  expect(wasThere(spent)).toBe(true);
  expect(wasThere(nothing)).toBe(false);
});

it("sorts jobs by how late they are, and those that are not made yet apart", () => {
  const jobs = [due(-5, true), due(0, true), due(60, false), due(3601, true), due(9e9, false)];
  const bars = lateBars(jobs, (key) => key, String);
  expect(bars.map((bar) => [bar.key, ...bar.values])).toEqual([
    ["in_time", 2, 0],
    ["hour", 0, 1],
    ["day", 1, 0],
    ["week", 0, 0],
    ["more", 0, 1],
  ]);
  expect(bars[0]?.said).toBe("2");
});

it("reaches back as far as it was asked, and never further than the server sums up", () => {
  const now = new Date("2027-03-31T12:00:00Z");
  for (const span of ["7", "30", "90"] as const) {
    expect(spanOf(sinceOf(span, now).slice(0, 10), now)).toBe(span);
  }
  expect(spanOf("", now)).toBe("30");
  expect(spanOf("2020-01-01", now)).toBe("90");
});
