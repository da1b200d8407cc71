import { afterEach, expect, it, vi } from "vitest";

import { everyone, inShort, keyOf } from "./audit";
import { partsOf, type Detailed } from "./health";
import { endOf, standing } from "./keys";
import { asGroups } from "./people";

const NOW = Date.parse("2027-01-31T12:00:00Z");
const BEFORE = "2027-01-31T11:59:59Z";
const AFTER = "2027-01-31T12:00:01Z";

it("knows how a key stands; a revoked one is revoked, whatever its end", () => {
  expect(standing({ revoked_at: null, expires_at: null }, NOW)).toBe("works");
  expect(standing({ revoked_at: null, expires_at: AFTER }, NOW)).toBe("expires");
  expect(standing({ revoked_at: null, expires_at: BEFORE }, NOW)).toBe("expired");
  expect(standing({ revoked_at: BEFORE, expires_at: BEFORE }, NOW)).toBe("revoked");
});

it("ends a key after its term, or never", () => {
  expect(endOf("never", NOW)).toBeNull();
  expect(endOf("30", NOW)).toBe("2027-03-02T12:00:00.000Z");
});

afterEach(() => vi.unstubAllGlobals());

it("knows everyone who may stand in the audit, also behind the first page of users", async () => {
  vi.stubGlobal("fetch", async ({ url }: Request) => {
    const { pathname, searchParams } = new URL(url);
    const name = pathname.endsWith("keys") ? "script" : searchParams.get("cursor") ? "zoe" : "ann";
    return Response.json({ items: [{ id: name, name }], next_cursor: name === "ann" ? "c" : null });
  });
  expect((await everyone()).map((one) => one.name)).toEqual(["ann", "zoe", "script"]);
});

it("confines to the chosen groups, or to none", () => {
  expect(asGroups(true, new Set(["b", "a"]))).toEqual(["a", "b"]);
  expect(asGroups(false, new Set(["a"]))).toBeNull();
});

it("tells what needs a hand before what is well", () => {
  const well = { problem: "", problem_code: "", hint: "", lost_links: 0 };
  const printer = { link: "online", activity: "idle", ...well };
  const found = {
    database: { status: "ok", answer_s: 0.001, size_bytes: 1 },
    storage: { status: "degraded", free_bytes: 1, total_bytes: 2 },
    queue: { waiting: null, active: null },
    secrets: { status: "ok", problem: "", hint: "" },
    each_printer: [
      { ...printer, id: "1", name: "Left", status: "ok", age_s: 1 },
      { ...printer, id: "2", name: "Right", status: "degraded", age_s: null },
    ],
  } as unknown as Detailed;
  const told = partsOf(found).map((one) => [one.name, one.status]);
  expect(told).toEqual([
    ["queue", "down"],
    ["storage", "degraded"],
    ["printer", "degraded"],
    ["database", "ok"],
    ["secrets", "ok"],
    ["printer", "ok"],
  ]);
});

it("reads an entry of the audit as what was asked and what changed", () => {
  const texts = inShort({
    asked: { hold: true },
    changes: [{ table: "jobs", id: "7", before: { hold: false }, after: { hold: true } }],
  } as never);
  expect(texts).toEqual(['{\n "hold": true\n}', "jobs 7\nhold: false → true"]);
  expect(keyOf("POST /api/v1/keys")).toBe("key_make");
  // What the UI itself does has a name.
  expect(keyOf("POST /api/v1/uploads")).toBe("upload_begin");
  expect(keyOf("POST /api/v1/printers/clear-beds")).toBe("beds_clear");
  expect(keyOf("POST /api/v1/unheard-of")).toBeUndefined();
});
