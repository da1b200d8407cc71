import { expect, it } from "vitest";

import { queryOf, viewOf, wishOf } from "./farm-view";

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

it.each(["q=r", "state=ready", "group=Hall", "tag=big", "sort=name", "sort=-number"])(
  "takes %s for another wish of who is shown and how",
  (asked) => {
    const query = Object.fromEntries(new URLSearchParams(asked));
    expect(wishOf(viewOf(query))).not.toBe(wishOf(viewOf({})));
    const alike = { ...query, view: "table", density: "compact", floor: "f" };
    expect(wishOf(viewOf(alike))).toBe(wishOf(viewOf(query)));
  },
);
