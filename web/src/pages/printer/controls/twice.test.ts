import { effectScope } from "vue";
import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { PATIENCE_MS, useTwice, type Twice } from "./twice";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const made = (least?: number) => effectScope().run(() => useTwice(least)) as Twice;

it("does it at the second press within five seconds, and not after them", () => {
  const twice = made();
  expect([twice.press("stop"), twice.asked.value]).toEqual([false, "stop"]);
  vi.advanceTimersByTime(PATIENCE_MS - 1);
  expect([twice.press("stop"), twice.asked.value]).toEqual([true, ""]);
  twice.press("stop");
  vi.advanceTimersByTime(PATIENCE_MS);
  expect(twice.asked.value).toBe("");
  expect(twice.press("stop")).toBe(false);
});

it("takes no press of another for the second, nor a slip of the finger", () => {
  const twice = made(300);
  twice.press("left part");
  expect(twice.press("right part")).toBe(false);
  expect(twice.press("right part")).toBe(false);
  vi.advanceTimersByTime(301);
  expect(twice.press("right part")).toBe(true);
});
