import { expect, it } from "vitest";

import { asked, exportAddress, filtersOf, midnight } from "./filters";

const FILE = "01938e2a-7b10-7c3e-9f1d-2a6b4c8d0e14";

it("takes from an address what makes sense there, and leaves out the rest", () => {
  expect(
    filtersOf({ state: "failed", printer: "3", file: FILE, text: "a", from: "2027-01-31", to: "" }),
  ).toEqual({ state: "failed", printer: "3", file: FILE, text: "a", from: "2027-01-31", to: "" });
  expect(
    filtersOf({ state: "printing", printer: "../x", file: ["a", "b"], from: "yesterday" }),
  ).toEqual({ state: "", printer: "", file: "", text: "", from: "", to: "" });
});

it("means the last day with its evening", () => {
  const query = asked(filtersOf({ from: "2027-01-30", to: "2027-01-31" }));
  expect(query.since).toBe(new Date(2027, 0, 30).toISOString());
  expect(query.until).toBe(new Date(2027, 1, 1).toISOString());
});

it("asks for nothing that is not filtered, as the server refuses empty filters", () => {
  expect(asked(filtersOf({}))).toEqual({});
  expect(exportAddress(filtersOf({}))).toBe("/api/v1/history/export");
});

it("exports what the list shows", () => {
  const address = exportAddress(filtersOf({ state: "failed", text: "a&b=c" }));
  expect(address).toBe("/api/v1/history/export?state=failed&text=a%26b%3Dc");
});

it("knows no midnight of what is no day", () => {
  expect(midnight("")).toBeUndefined();
  expect(midnight("2027-00-01")).toBeUndefined();
});
