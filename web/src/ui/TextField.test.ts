import { mount } from "@vue/test-utils";
import { expect, it } from "vitest";

import TextField from "./TextField.vue";

function shown(attrs: Record<string, unknown>): HTMLInputElement {
  const props = { label: "Name", modelValue: "" };
  const field = mount(TextField, { props, attrs, attachTo: document.body });
  return field.get("input").element;
}

it("has the focus whenever it appears, if it is to have it", () => {
  const first = shown({ autofocus: "" });
  expect(document.activeElement).toBe(first);
  const later = shown({ autofocus: "" });
  expect(document.activeElement).toBe(later);
});

it("takes the focus from nobody otherwise", () => {
  const first = shown({ autofocus: "" });
  shown({});
  expect(document.activeElement).toBe(first);
});
