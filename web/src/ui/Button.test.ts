// A key that is held down presses a button once.
import { mount } from "@vue/test-utils";
import { expect, it } from "vitest";

import Button from "./Button.vue";
import IconButton from "./IconButton.vue";

const KEYS = [
  ["Enter", true, true],
  [" ", true, true],
  ["Enter", false, false],
  ["Tab", true, false],
] as const;
const CASES = KEYS.flatMap((one) => ["with words", "with an icon"].map((kind) => [kind, ...one]));
it.each(CASES)("stops, %s, what the browser makes of %j, held: %j: %j", (...given) => {
  const [kind, key, repeat, stopped] = given as [string, string, boolean, boolean];
  const icon = { props: { label: "Close" } };
  const button = kind === "with words" ? mount(Button) : mount(IconButton, icon);
  const event = new KeyboardEvent("keydown", { key, repeat, bubbles: true, cancelable: true });
  button.element.dispatchEvent(event);
  expect(event.defaultPrevented).toBe(stopped);
});
