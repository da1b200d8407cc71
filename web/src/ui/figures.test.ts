// Moments and lengths as people of a language read them.
import { mount } from "@vue/test-utils";
import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { i18n, speak, type Language } from "@/i18n";

import { useFigures, type Figures } from "./figures";

async function figures(language: Language): Promise<Figures> {
  await speak(language, false);
  let found: Figures | undefined;
  const taker = { render: () => null, setup: () => void (found = useFigures()) };
  mount(taker, { global: { plugins: [i18n] } });
  return found as unknown as Figures;
}

beforeEach(() => {
  vi.useFakeTimers({ now: new Date(2026, 10, 28, 13, 5), toFake: ["Date"] });
});
afterEach(() => {
  vi.useRealTimers();
});

it("tells the day of a moment that is not today, and the year of another year", async () => {
  const { when } = await figures("de");
  expect(when(new Date(2026, 10, 28, 23, 59))).toBe("23:59");
  expect(when(new Date(2026, 10, 29, 0, 1).toISOString())).toBe("29. Nov., 00:01");
  expect(when(new Date(2026, 10, 27, 13, 5))).toBe("27. Nov., 13:05");
  expect(when(new Date(2027, 0, 2, 13, 5))).toBe("02.01.2027, 13:05");
});

it("writes a length as the language does", async () => {
  expect((await figures("de")).mm(0.4)).toBe("0,4 mm");
  expect((await figures("en")).mm(0.4)).toBe("0.4 mm");
});
