import { expect, it } from "vitest";

import { bodyOf, dueOf, editOf, emptyOrder, localOf, patchOf } from "./order";

const JOB = {
  copies: 3,
  priority: "normal",
  due: "2026-11-28T06:00:00.000Z",
  customer: "Bauer GmbH",
  reference: null,
} as Parameters<typeof editOf>[0];

it("asks for any printer where nothing was said, and sends no empty text", () => {
  const body = bodyOf({ ...emptyOrder(), fileId: "f", name: "  " });
  expect(body).toMatchObject({ file_id: "f", name: null, due: null, customer: null });
  expect(body.requirements).toEqual({ group: null, printers: [], materials: [] });
});

it("asks for a material with its colour, one printer and one group", () => {
  const form = { ...emptyOrder(), material: "PETG", color: "black", printer: "p1", group: "left" };
  expect(bodyOf(form).requirements).toEqual({
    group: "left",
    printers: ["p1"],
    materials: [{ tool: 0, type: "PETG", color: "black" }],
  });
});

it("takes a due time of this place there and back", () => {
  const local = localOf(JOB.due);
  expect(dueOf(local)).toBe(JOB.due);
  expect([dueOf(""), localOf(null)]).toEqual([null, ""]);
});

it("changes only what was changed, and takes a due time away with null", () => {
  const before = editOf(JOB);
  expect(patchOf(before, { ...before })).toEqual({});
  expect(patchOf(before, { ...before, due: "", priority: "urgent" })).toEqual({
    due: null,
    priority: "urgent",
  });
});
