import { expect, it } from "vitest";

import type { Reason } from "./reasons";
import { answerOf } from "./waiting";

const reason = (code: string, printer_id: string): Reason => ({
  printer_id,
  code,
  detail: code,
  unblock: { action: "wait", target: null, params: {}, method: null, path: null },
});
const PRINTERS = [
  { id: "b", name: "Birch", number: 2 },
  { id: "a", name: "Alder", number: 1 },
];

it("lets a printer without a reason pass", () => {
  const { printers, passing } = answerOf([reason("busy", "a")], PRINTERS);
  expect(printers.map((one) => [one.name, one.passes])).toEqual([
    ["Alder", false],
    ["Birch", true],
  ]);
  expect(passing).toBe(1);
});

it("says once what holds the print back everywhere; then no printer could take it", () => {
  const held = [reason("on_hold", "a"), reason("on_hold", "b"), reason("busy", "a")];
  const { ofThePrint, printers, passing } = answerOf(held, PRINTERS);
  expect(ofThePrint.map((one) => one.code)).toEqual(["on_hold"]);
  expect(printers[0]?.reasons.map((one) => one.code)).toEqual(["busy"]);
  expect(passing).toBe(0);
});
