import { mount } from "@vue/test-utils";
import { nextTick } from "vue";
import { expect, it } from "vitest";

import { usePanels, type Panels } from "./usePanels";

it("puts panels back in their order, and leaves folded what was folded since", async () => {
  localStorage.clear();
  let panels: Panels | null = null;
  const page = { setup: () => void (panels = usePanels()), render: () => null };
  mount(page);
  const { columns, move, fold, isFolded } = panels as unknown as Panels;
  const order = (): string[] => columns(() => true).flat();
  const before = order();
  const back = await move("current", 1);
  expect(order()).not.toEqual(before);
  fold("events");
  back();
  await nextTick();
  expect(order()).toEqual(before);
  expect(isFolded("events")).toBe(true);
});
