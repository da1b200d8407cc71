// The same table as the server's: read from its source, so that one cannot drift from the other.
import { readFileSync } from "node:fs";

import { expect, it } from "vitest";

import { denial, limitOf, type Denial, type Need } from "./needs";

const SERVER = readFileSync("../src/buildplate/core/controlling.py", "utf8");
const ACTIVITIES = ["idle", "busy", "ours", "foreign", "paused", "halted", "unknown"] as const;
const NEEDS: readonly Need[] = ["still", "at_rest", "alive", "a_print", "reached"];

/** A row of the server's table by its name, as it is written there: upon another one, or whole. */
function written(name: string): Record<string, Denial | null> {
  const line = new RegExp(`^${name} = (.*?)\\{([^}]*)\\}`, "m").exec(SERVER);
  const [, upon = "", body = ""] = line ?? [];
  const all = upon.startsWith("dict.fromkeys") ? "not_known" : undefined;
  const base = all ? Object.fromEntries(NEEDS.map((need) => [need, all])) : {};
  const other = /^_\w+/.exec(upon)?.[0];
  const found = [...body.matchAll(/Need\.(\w+): (?:Denial\.(\w+)|None)/g)];
  return {
    ...base,
    ...(other ? written(other) : {}),
    ...Object.fromEntries(
      found.map(([, need = "", why]) => [need.toLowerCase(), why?.toLowerCase() ?? null]),
    ),
  } as Record<string, Denial | null>;
}
function row(activity: string): Record<string, Denial | null> {
  const name = new RegExp(`Activity\\.${activity.toUpperCase()}: (_\\w+)`).exec(SERVER)?.[1] ?? "";
  return written(name);
}

it.each(ACTIVITIES)("says of a printer that is %s what the server would", (activity) => {
  const said = NEEDS.map((need) => denial(need, { link: "online", activity, print_id: null }));
  const row_ = row(activity);
  expect(Object.keys(row_)).toEqual(expect.arrayContaining([...NEEDS]));
  expect(said).toEqual(NEEDS.map((need) => row_[need]));
});

it("lets a stop through wherever the printer hears it", () => {
  const asked = (link: "online" | "syncing" | "offline") =>
    denial("stop", { link, activity: "unknown", print_id: "p" });
  expect([asked("online"), asked("syncing"), asked("offline")]).toEqual([null, null, "not_online"]);
  expect(denial("stop", undefined)).toBe("not_online");
});

it("moves nothing while a print of the farm's holds the machine", () => {
  const held = { link: "online", activity: "idle", print_id: "p" } as const;
  expect(denial("still", held)).toBe("reserved");
  expect(denial("at_rest", held)).toBe("reserved");
  expect(denial("alive", held)).toBeNull();
  expect(denial("reached", held)).toBeNull();
});

it("takes the server's limits where the model names none", () => {
  const usual = /USUAL_CHAMBER_C = ([\d., ]+)/.exec(SERVER)?.[1]?.split(",").map(Number);
  const none = { max_nozzle_c: null, max_bed_c: null };
  expect(["tool1", "bed", "chamber"].map((heater) => limitOf(heater, none))).toEqual(usual);
  expect(limitOf("tool0", { max_nozzle_c: 260 })).toBe(260);
});
