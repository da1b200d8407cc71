// Whoever works by keyboard goes on beside the row that went.
import { mount, type VueWrapper } from "@vue/test-utils";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { h, nextTick, ref, useTemplateRef } from "vue";

import { useKeptRow } from "./kept-focus";

const names = ref<string[]>([]);
let kept: ReturnType<typeof useKeptRow>;
let page: VueWrapper;
let named = true;

const row = (name: string) =>
  h("li", { key: name }, [
    h("a", { href: "#do", "data-act": "do" }, `${name}?`),
    h("p", { class: name }, "plain"),
    ...(named ? [h("a", { href: "#" }, name)] : []),
    h("button", { "data-act": "do" }, name),
  ]);
const Page = {
  setup() {
    kept = useKeptRow(useTemplateRef<HTMLElement>("box"), [names]);
    const rows = () => h("section", [h("h2", "Rows"), h("ul", names.value.map(row))]);
    return () => [
      h("h1", "Page"),
      h("input"),
      h("div", { ref: "box" }, names.value.length ? [rows()] : []),
    ];
  },
};

beforeEach(() => {
  named = true;
  names.value = ["a", "b", "c"];
  page = mount(Page, { attachTo: document.body });
});
afterEach(() => page.unmount());

const focus = (name: string, tag = "button") =>
  page.findAll<HTMLElement>(tag).find((one) => one.text() === name)?.element.focus();
async function show(...left: string[]): Promise<string | null | undefined> {
  names.value = left;
  await nextTick();
  await nextTick();
  return document.activeElement?.textContent;
}

it("goes on with the name of the next row, at the end with that of the one before", async () => {
  focus("b");
  expect(await show("a", "c")).toBe("c");
  expect(document.activeElement?.tagName).toBe("A");
  expect(await show("a")).toBe("a");
  expect(await show()).toBe("Page");
});

it("goes on with the row itself where its name leads nowhere", async () => {
  named = false;
  names.value = ["d", "e"];
  await nextTick();
  focus("d");
  await show("e");
  expect(document.activeElement?.matches("li[tabindex='-1']")).toBe(true);
});

it.each([
  ["keydown", false],
  ["pointerdown", true],
])("moves the view for keys alone: %s", async (type, preventScroll) => {
  focus("b");
  const button = document.activeElement;
  button?.dispatchEvent(new Event(type, { bubbles: true }));
  const focused = vi.spyOn(HTMLElement.prototype, "focus");
  await show("a", "c");
  expect(focused).toHaveBeenCalledExactlyOnceWith({ preventScroll });
  focused.mockRestore();
});

it.each(["Enter", " "])("makes nothing of %j, still held when the focus comes", async (key) => {
  /** Whether the link that has the focus is followed by it. */
  const follows = (repeat: boolean): boolean => {
    const pressed = { key, repeat, bubbles: true, cancelable: true };
    return document.activeElement?.dispatchEvent(new KeyboardEvent("keydown", pressed)) ?? false;
  };
  focus("a");
  expect(await show("b", "c")).toBe("b");
  expect(follows(true)).toBe(false);
  expect(await show("c")).toBe("c");
  expect(follows(true)).toBe(false);
  expect(follows(false)).toBe(true);
  document.activeElement?.dispatchEvent(new KeyboardEvent("keyup", { key, bubbles: true }));
  expect(follows(true)).toBe(true);
});

it("gives the focus to nobody who only touched a row's text", async () => {
  for (const [gone, ...left] of [["a", "b", "c"], ["b", "c"]] as const) {
    page.get(`.${gone}`).element.dispatchEvent(new Event("pointerdown", { bubbles: true }));
    const row = page.get("li").element;
    row.tabIndex = -1;
    row.focus(); // the browser's answer where a row can have the focus
    await show(...left);
    expect(document.activeElement).toBe(document.body);
  }
});

it("counts from where the row is by then", async () => {
  focus("b");
  await show("z", "a", "b", "c");
  expect(await show("z", "a", "c")).toBe("c");
});

it("takes the focus from nobody, and gives it to nobody who had left the rows", async () => {
  focus("b");
  page.find("input").element.focus();
  await show("a", "c");
  expect(document.activeElement?.tagName).toBe("INPUT");
  focus("c");
  page.find("h1").element.dispatchEvent(new Event("pointerdown", { bubbles: true }));
  (document.activeElement as HTMLElement).blur();
  await show("a");
  expect(document.activeElement).toBe(document.body);
});

it("comes back beside the row that went while a dialog was open over the page", async () => {
  const dialog = document.createElement("div");
  dialog.setAttribute("role", "alertdialog");
  dialog.innerHTML = "<button>Sure</button>";
  document.body.append(dialog);
  focus("a");
  dialog.querySelector("button")?.focus();
  expect(await show("b", "c")).toBe("Sure");
  dialog.remove();
  kept.settle();
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(document.activeElement?.textContent).toBe("b");
});
