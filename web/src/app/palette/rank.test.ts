import { describe, expect, it } from "vitest";

import { best, plain, scoreOf } from "./rank";

const of = (...labels: string[]) => labels.map((label) => ({ label, words: [] }));
const order = (query: string, ...labels: string[]) =>
  best(query, of(...labels), 10).map(({ label }) => label);

describe("scoreOf", () => {
  it("puts the whole name first, then beginnings, words, initials, parts, letters in order", () => {
    const labels = ["a map", "mapper", "map", "remapped", "my app printer", "m-a-p"];
    expect(order("map", ...labels)).toEqual([
      "map",
      "mapper",
      "a map",
      "m-a-p",
      "my app printer",
      "remapped",
    ]);
  });

  it("finds letters in their order, unless they are strewn", () => {
    expect(scoreOf("eqq", "Queue")).toBe(0); // another order
    expect(scoreOf("quue", "Queue")).toBeGreaterThan(0);
    expect(scoreOf("pin", "a printer that stands in the corner")).toBeGreaterThan(0);
    expect(scoreOf("xyz", "a box with my own zebra")).toBe(0);
  });

  it("wants every word of the query, in whichever order", () => {
    expect(scoreOf("alder print", "Alder", ["Printing"])).toBeGreaterThan(0);
    expect(scoreOf("print alder", "Alder", ["Printing"])).toBeGreaterThan(0);
    expect(scoreOf("alder paused", "Alder", ["Printing"])).toBe(0);
  });

  it("prefers what has it in its name to what has it beside", () => {
    const found = best(
      "paused",
      [
        { label: "Alder", words: ["Paused"] },
        { label: "Paused bracket", words: [] },
      ],
      10,
    );
    expect(found.map(({ label }) => label)).toEqual(["Paused bracket", "Alder"]);
  });

  it("takes one letter for the beginning of a word only", () => {
    expect(order("q", "Queue", "The queue", "Etiquette")).toEqual(["Queue", "The queue"]);
  });

  it("finds nothing for nothing, and numbers by their beginning", () => {
    expect(scoreOf("  ", "Queue")).toBe(0);
    expect(order("12", "Job 12", "Job 212", "Job 3")).toEqual(["Job 12", "Job 212"]);
  });
});

describe("plain", () => {
  it("knows no marks and no capitals, and writes out the sharp s", () => {
    expect(plain(" Größe ÉÜ ")).toBe("grosse eu");
    expect(order("grosse", "Größe")).toEqual(["Größe"]);
  });
});

describe("best", () => {
  it("keeps the order of what fits alike, and no more than asked for", () => {
    const many = Array.from({ length: 50 }, (_, at) => `octo-${at + 10}`);
    expect(order("octo", ...many)).toEqual(many.slice(0, 10));
  });
});
