// Whoever passes through a field has changed nothing.
import { mount } from "@vue/test-utils";
import { beforeAll, expect, it } from "vitest";

import { i18n, speak } from "@/i18n";

import NumberField from "./NumberField.vue";

beforeAll(() => speak("en", false));

it.each([220.5, 4.25, 0.123456])("leaves %s alone where it is exact", async (modelValue) => {
  const props = { label: "Width", modelValue, exact: true, min: 0, step: 0.1 };
  const field = mount(NumberField, { global: { plugins: [i18n] }, props });
  await field.find("input").trigger("focus");
  await field.find("input").trigger("blur");
  const told = field.emitted("update:modelValue") ?? [];
  expect(told.filter(([value]) => value !== modelValue)).toEqual([]);
  expect(field.find("input").element.value).toBe(String(modelValue));
});

it("keeps to its steps where it is not", async () => {
  const props = { label: "Copies", modelValue: 2, min: 1 };
  const field = mount(NumberField, { global: { plugins: [i18n] }, props });
  await field.find("input").setValue("3.4");
  await field.find("input").trigger("blur");
  expect(field.emitted("update:modelValue")?.at(-1)).toEqual([3]);
});
