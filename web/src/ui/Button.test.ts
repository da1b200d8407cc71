// A key that is held down presses a button once; its action is done once, and its failure is seen.
import { LoaderCircle, TriangleAlert } from "@lucide/vue";
import { mount, type VueWrapper } from "@vue/test-utils";
import { expect, it, vi } from "vitest";

import { Problem } from "@/api/problem";

import Button from "./Button.vue";
import IconButton from "./IconButton.vue";
import { usePending } from "./pending";

/** What a button shows of its action, and whether it can be pressed. */
function looks(button: VueWrapper): Record<string, unknown> {
  return {
    busy: button.attributes("aria-busy"),
    inert: button.attributes("aria-disabled"),
    turns: button.findComponent(LoaderCircle).exists(),
    warns: button.findComponent(TriangleAlert).exists(),
    edged: button.classes("border-error"),
  };
}
const AT_REST = { busy: undefined, inert: undefined, turns: false, warns: false, edged: false };
const BUSY = { ...AT_REST, busy: "true", inert: "true", turns: true };
const FAILED = { ...AT_REST, warns: true, edged: true };

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

it("is busy while its action is done, and shows then whether it failed", async () => {
  const ends: ((failure?: Problem) => void)[] = [];
  const doing = usePending(async () => {
    const failure = await new Promise<Problem | undefined>((end) => ends.push(end));
    if (failure) throw failure;
  });
  const pressed = vi.fn(() => doing.run());
  const button = mount(Button, { props: { doing }, attrs: { onClick: pressed } });
  expect(looks(button)).toEqual(AT_REST);

  await button.trigger("click");
  expect(looks(button)).toEqual(BUSY);
  await button.trigger("click");
  expect(pressed).toHaveBeenCalledTimes(1);

  ends[0]?.(new Problem(0));
  await vi.waitFor(() => expect(looks(button)).toEqual(FAILED));
  await button.trigger("click");
  expect(pressed).toHaveBeenCalledTimes(2);
  expect(looks(button)).toEqual(BUSY);

  ends[1]?.();
  await vi.waitFor(() => expect(looks(button)).toEqual(AT_REST));
});

it.each([
  [{}, AT_REST],
  [{ pending: true }, BUSY],
  [{ failed: true }, FAILED],
  [{ pending: true, failed: true }, { ...BUSY, edged: true }],
])("says how its action stands without one being given: %j", async (props, shown) => {
  const pressed = vi.fn();
  const button = mount(Button, { props, attrs: { onClick: pressed } });
  expect(looks(button)).toEqual(shown);
  await button.trigger("click");
  expect(pressed).toHaveBeenCalledTimes(shown.busy ? 0 : 1);
});

it("sends no form while its action is done", async () => {
  const sent = vi.fn((event: Event) => event.preventDefault());
  const form = mount(
    {
      components: { Button },
      props: ["busy"],
      template: `<form><Button type="submit" :pending="busy" /></form>`,
    },
    { props: { busy: true }, attachTo: document.body },
  );
  form.element.addEventListener("submit", sent);
  await form.find("button").trigger("click");
  expect(sent).not.toHaveBeenCalled();
  await form.setProps({ busy: false });
  await form.find("button").trigger("click");
  expect(sent).toHaveBeenCalledTimes(1);
  form.unmount();
});
