import { expect, it } from "vitest";

import { isReport, KEPT_TYPED, suggested, withTyped } from "./sight";

const said = (text: string, speaker: "printer" | "sent" = "printer", error = false) =>
  isReport({ text, speaker, error });

it.each([
  "T:21.3 /0.0 B:22.1 /0.0 @:0 B@:0",
  "ok T:210.0 /210.0 B:60.0 /60.0",
  "ok N12 P15 B3 T:21.3 /0.0",
  "B:60.0 /60.0 T0:210.0 /210.0",
  "T0:21.3 /0.0 T1:20.9 /0.0",
  " T:-14.0",
])("takes %s for a report of temperatures", (text) => expect(said(text)).toBe(true));

it.each([
  "ok", "echo:busy: processing", "X:10.00 Y:0.00 Z:5.00", "TestMacro: done", "T0", "Tool 1",
])("does not hide %s", (text) => expect(said(text)).toBe(false));

it("hides who asks for them, and never an error", () => {
  expect([said("M105", "sent"), said("N5 M105*36", "sent"), said("M104 S200", "sent")])
    .toEqual([true, true, false]);
  expect(said("T:999 /0", "printer", true)).toBe(false);
});

it("remembers what was typed, once in a row and not for ever", () => {
  expect(withTyped(["M115"], "M115")).toEqual(["M115"]);
  const many = Array.from({ length: 60 }, (_, at) => `G4 P${at}`);
  const kept = many.reduce<readonly string[]>(withTyped, []);
  expect([kept.length, kept.at(-1)]).toEqual([KEPT_TYPED, "G4 P59"]);
});

it("suggests what begins with what is typed before what has it within", () => {
  const all = ["BED_MESH_CLEAR", "PURGE_LINE", "SET_PIN", "LOAD_FILAMENT", "CLEAR_PAUSE"]
    .map((command) => ({ command, help: "" }));
  const names = (typed: string) => suggested(all, typed).map(({ command }) => command);
  expect(names("clear")).toEqual(["CLEAR_PAUSE", "BED_MESH_CLEAR"]);
  expect(names("")).toEqual([]);
  expect(names("SET_PIN")).toEqual([]);
});
