// Days of this place's calendar, wherever it is.
import { afterEach, expect, it } from "vitest";

import { dayOf, SPANS, spanOf } from "./spans";

const before = process.env["TZ"];
afterEach(() => {
  if (before === undefined) delete process.env["TZ"];
  else process.env["TZ"] = before;
});

it.each([
  ["America/Los_Angeles", "2027-01-31T04:00:00Z", "2027-01-23"],
  ["Pacific/Auckland", "2027-01-31T14:00:00Z", "2027-01-25"],
  ["Europe/Berlin", "2027-03-31T21:30:00Z", "2027-03-24"],
])("in %s a span begins on a day of that place, and is known by it", (zone, at, day) => {
  process.env["TZ"] = zone;
  const now = new Date(at);
  expect(dayOf("7", now)).toBe(day);
  for (const span of SPANS) expect(spanOf(dayOf(span, now), now)).toBe(span);
});
