import { expect, it } from "vitest";

import { makeSelection } from "./selection";

const IDS = ["a", "b", "c", "d", "e"];

it("picks with Shift all from the last one to this one, in either direction", () => {
  const selection = makeSelection();
  selection.set("b", true);
  selection.set("d", true, IDS);
  expect(selection.ids.value.sort()).toEqual(["b", "c", "d"]);
  selection.set("a", true, IDS);
  expect(selection.size.value).toBe(4);
});

it("picks one alone with Shift where the last one is not shown any more", () => {
  const selection = makeSelection();
  selection.set("x", true);
  selection.set("c", true, IDS);
  expect(selection.ids.value.sort()).toEqual(["c", "x"]);
});

it("lets go of printers that are there no more", () => {
  const selection = makeSelection();
  selection.all(IDS);
  selection.keep((id) => id !== "c");
  expect(selection.has("c")).toBe(false);
  expect(selection.size.value).toBe(4);
});
