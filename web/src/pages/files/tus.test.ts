// No request of an upload waits for ever.
import { afterEach, expect, it, vi } from "vitest";

import { Problem } from "@/api/problem";

import { tus } from "./tus";

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

const going = new AbortController().signal;
it.each([
  ["begin", () => tus.begin("a.gcode", 4)],
  ["look", () => tus.look("/api/v1/uploads/u")],
  ["append", () => tus.append("/api/v1/uploads/u", 0, new Blob(["G28"]), going)],
  ["end", () => tus.end("/api/v1/uploads/u")],
])("%s takes what is not answered in time for lost", async (_, ask) => {
  const late = new AbortController();
  vi.spyOn(AbortSignal, "timeout").mockReturnValue(late.signal);
  vi.stubGlobal("fetch", ({ signal }: Request) => {
    return new Promise((_resolve, reject) => {
      signal.addEventListener("abort", () => reject(new DOMException("late", "TimeoutError")));
    });
  });
  const asked = ask().catch((thrown: unknown) => thrown);
  await new Promise((resolve) => setTimeout(resolve, 0));
  late.abort();
  const outcome = await Promise.race([
    asked,
    new Promise((resolve) => setTimeout(() => resolve("waits still"), 500)),
  ]);
  expect(outcome).toBeInstanceOf(Problem);
  expect((outcome as Problem).status).toBe(0);
});
