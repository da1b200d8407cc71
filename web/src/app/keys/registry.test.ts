// Single keys: what they do, and above all where they do nothing.
import { mount, type VueWrapper } from "@vue/test-utils";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { defineComponent, h } from "vue";

import {
  asksForPalette,
  IS_APPLE,
  offeredKeys,
  PATIENCE_MS,
  useKeyboard,
  useKeys,
  useShortcuts,
  type Key,
} from "./registry";

const shown: VueWrapper[] = [];
const acts = { help: vi.fn(), farm: vi.fn(), next: vi.fn(), pause: vi.fn(), secret: vi.fn() };
let operates = true;

function listen(keys: readonly Key[], title = "farm.title"): VueWrapper {
  const page = defineComponent({
    setup() {
      useKeyboard();
      useKeys(title, keys);
      return () =>
        h("div", [
          h("input", { type: "text" }),
          h("textarea"),
          h("select"),
          h("input", { type: "checkbox" }),
          h("button", "go"),
          h("div", { contenteditable: "true" }, "write"),
        ]);
    },
  });
  const wrapper = mount(page, { attachTo: document.body });
  shown.push(wrapper);
  return wrapper;
}

const KEYS: readonly Key[] = [
  { keys: "?", label: "keys.help", act: acts.help },
  { keys: "g f", label: "farm.title", act: acts.farm },
  { keys: "j", label: "keys.next_printer", act: acts.next, repeats: true },
  { keys: "p", label: "keys.pause", act: acts.pause, when: () => operates },
];

function press(key: string, init: KeyboardEventInit = {}, at = 0, on: EventTarget = document.body) {
  const event = new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...init });
  Object.defineProperty(event, "timeStamp", { value: at });
  on.dispatchEvent(event);
  return event;
}

beforeEach(() => {
  operates = true;
  useShortcuts().value = true;
});
afterEach(() => {
  for (const one of shown.splice(0)) one.unmount();
  document.body.innerHTML = "";
});

describe("a declared key", () => {
  it("does what it says, whatever Shift or Caps Lock it takes to type it", () => {
    listen(KEYS);
    expect(press("?", { shiftKey: true }).defaultPrevented).toBe(true);
    expect(acts.help).toHaveBeenCalledOnce();
    press("J"); // Caps Lock
    expect(acts.next).toHaveBeenCalledOnce();
    press("J", { shiftKey: true });
    expect(acts.next).toHaveBeenCalledOnce();
    expect(press("z").defaultPrevented).toBe(false);
  });

  it("does nothing with Ctrl, Alt or the command key", () => {
    listen(KEYS);
    for (const held of ["ctrlKey", "altKey", "metaKey"]) press("j", { [held]: true });
    expect(acts.next).not.toHaveBeenCalled();
  });

  it("does nothing where somebody writes", () => {
    const { element } = listen(KEYS);
    for (const field of ["input[type=text]", "textarea", "select", "[contenteditable]"]) {
      press("j", {}, 0, element.querySelector(field) as Element);
    }
    press("j", { isComposing: true });
    expect(acts.next).not.toHaveBeenCalled();
    for (const other of ["input[type=checkbox]", "button"]) {
      press("j", {}, 0, element.querySelector(other) as Element);
    }
    expect(acts.next).toHaveBeenCalledTimes(2);
  });

  it("does nothing under a dialog or a menu, or where another part took the key", () => {
    listen(KEYS);
    for (const role of ["dialog", "alertdialog", "menu"]) {
      const over = document.createElement("div");
      over.setAttribute("role", role);
      document.body.append(over);
      press("j");
      over.remove();
    }
    const taken = new KeyboardEvent("keydown", { key: "j", cancelable: true });
    taken.preventDefault();
    window.dispatchEvent(taken);
    expect(acts.next).not.toHaveBeenCalled();
  });

  it("does nothing once single keys are switched off", () => {
    listen(KEYS);
    useShortcuts().value = false;
    press("j");
    press("?");
    press("g");
    press("f");
    for (const act of Object.values(acts)) expect(act).not.toHaveBeenCalled();
  });

  it("acts once while it is held down, unless it may go on", () => {
    listen(KEYS);
    press("p");
    press("p", { repeat: true });
    expect(acts.pause).toHaveBeenCalledOnce();
    press("j");
    press("j", { repeat: true });
    expect(acts.next).toHaveBeenCalledTimes(2);
  });
});

describe("two keys", () => {
  it("belong together for a while only", () => {
    listen(KEYS);
    press("g", {}, 1000);
    press("f", {}, 1000 + PATIENCE_MS - 1);
    expect(acts.farm).toHaveBeenCalledOnce();
    press("f", {}, 1000 + PATIENCE_MS);
    press("g", {}, 5000);
    press("f", {}, 5000 + PATIENCE_MS);
    expect(acts.farm).toHaveBeenCalledOnce();
  });

  it("let the second one mean itself where both mean nothing", () => {
    listen(KEYS);
    press("g", {}, 1000);
    press("j", {}, 1100);
    expect(acts.next).toHaveBeenCalledOnce();
  });
});

describe("what is offered", () => {
  it("is what was declared and may be done now, those of the page first", () => {
    listen(KEYS, "keys.everywhere");
    const page = listen([{ keys: "x", label: "keys.pick", act: acts.secret }]);
    operates = false;
    expect(offeredKeys().map(({ title, keys }) => [title, keys.map((key) => key.keys)])).toEqual([
      ["farm.title", ["x"]],
      ["keys.everywhere", ["?", "g f", "j"]],
    ]);
    press("p");
    expect(acts.pause).not.toHaveBeenCalled();
    page.unmount();
    press("x");
    expect(acts.secret).not.toHaveBeenCalled();
    expect(offeredKeys()).toHaveLength(1);
  });

  it("has no key for two things", () => {
    listen(KEYS);
    const twice: Key[] = [{ keys: "j", label: "keys.open", act: acts.secret }];
    vi.spyOn(console, "warn").mockImplementation(() => undefined);
    expect(() => listen(twice)).toThrow("the key j is declared twice");
  });
});

describe("asksForPalette", () => {
  it("takes the modifier of this computer and no other", () => {
    const held = IS_APPLE ? "metaKey" : "ctrlKey";
    const other = IS_APPLE ? "ctrlKey" : "metaKey";
    const of = (init: KeyboardEventInit) => asksForPalette(press("k", init));
    expect(of({ [held]: true })).toBe(true);
    expect(of({ [other]: true })).toBe(false);
    expect(of({})).toBe(false);
    expect(of({ [held]: true, shiftKey: true })).toBe(false);
    expect(asksForPalette(press("j", { [held]: true }))).toBe(false);
  });
});
