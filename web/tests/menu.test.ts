// A menu comes when it is used, and opens at once, by pointer and by keyboard.
import { flushPromises, mount, type VueWrapper } from "@vue/test-utils";
import { afterEach, expect, test, vi } from "vitest";
import { h } from "vue";

import Menu from "@/ui/Menu.vue";

let menu: VueWrapper;
const act = vi.fn();

function shown(): VueWrapper {
  menu = mount(Menu, {
    attachTo: document.body,
    props: { entries: [{ key: "go", label: "Go on", act }] },
    slots: { default: () => h("button", "More") },
  });
  return menu;
}

async function entries(): Promise<HTMLElement[]> {
  await vi.waitFor(() => {
    expect(document.querySelector("[role=menuitem]")).not.toBeNull();
  });
  return [...document.querySelectorAll<HTMLElement>("[role=menuitem]")];
}

afterEach(() => {
  menu.unmount();
  document.body.innerHTML = "";
});

test("before it is used there is one button that says that it has a menu", () => {
  const button = shown().get("button");
  expect(button.attributes("aria-haspopup")).toBe("menu");
  expect(button.attributes("aria-expanded")).toBe("false");
  expect(document.querySelector("[role=menu]")).toBeNull();
});

test("a click opens it, and its entry acts", async () => {
  await shown().get("button").trigger("click");
  const [entry] = await entries();
  expect(entry?.textContent).toContain("Go on");
  entry?.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true }));
  await vi.waitFor(() => expect(act).toHaveBeenCalledOnce());
});

test("the arrow key opens it", async () => {
  await shown().get("button").trigger("keydown", { key: "ArrowDown" });
  expect(await entries()).toHaveLength(1);
  expect(menu.get("button").attributes("aria-expanded")).toBe("true");
});

test("another key does not", async () => {
  await shown().get("button").trigger("keydown", { key: "a" });
  await flushPromises();
  expect(document.querySelector("[role=menu]")).toBeNull();
});

test.each(["header", "main"])("an open menu lies in the %s of its trigger", async (landmark) => {
  const place = document.body.appendChild(document.createElement(landmark));
  menu = mount(Menu, {
    attachTo: place,
    props: { entries: [{ key: "go", label: "Go on", act }] },
    slots: { default: () => h("button", "More") },
  });
  await menu.get("button").trigger("click");
  const [entry] = await entries();
  expect(entry?.closest("header, main")).toBe(place);
});
