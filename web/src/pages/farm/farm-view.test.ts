import { expect, it } from "vitest";

import { queryOf, viewOf } from "./farm-view";

it("gives the plain page the plain address", () => {
  expect(queryOf(viewOf({}))).toEqual({});
});

it("keeps the whole view in the address, so that a link is a saved view", () => {
  const query = {
    view: "table",
    state: "printing,paused",
    q: "bracket",
    tag: "enclosed",
    group: "hall 1",
    density: "compact",
    sort: "-left",
    floor: "f",
  };
  expect(viewOf(query)).toMatchObject({ view: "table", sort: "left", down: true, compact: true });
  expect(queryOf(viewOf(query))).toEqual(query);
});

it("lets nothing that an address says break the page", () => {
  const odd = { view: "toString", state: "printing,constructor,", sort: "-secrets", q: ["a", "b"] };
  const view = viewOf(odd);
  expect(view).toMatchObject({ view: "cards", states: ["printing"], sort: "number", search: "a" });
});
