// A key that is held down presses a button once.
import { mount } from "@vue/test-utils";
import { expect, it } from "vitest";

import Button from "./Button.vue";

it.each([
  ["Enter", true, true],
  [" ", true, true],
  ["Enter", false, false],
  ["Tab", true, false],
])("stops what the browser makes of %j, held: %j: %j", (key, repeat, stopped) => {
  const button = mount(Button);
  const event = new KeyboardEvent("keydown", { key, repeat, bubbles: true, cancelable: true });
  button.element.dispatchEvent(event);
  expect(event.defaultPrevented).toBe(stopped);
});
