// From which age on a value says how old it is.
import { mount } from "@vue/test-utils";
import { beforeAll, expect, it } from "vitest";

import { i18n, speak } from "@/i18n";

import AgeBadge from "./AgeBadge.vue";

beforeAll(() => speak("en", false));
const told = (seconds: number | null): string =>
  mount(AgeBadge, { props: { seconds }, global: { plugins: [i18n] } }).text();

it("says nothing up to 5 s, and the age of what is older", () => {
  expect([null, 0, 4.9, 5].map(told)).toEqual(["", "", "", ""]);
  expect(told(5.1)).toBe("5 s old");
  expect(told(65)).toBe("1 min old");
});
