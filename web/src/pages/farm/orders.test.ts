import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { tellAll, type Outcome, type Seen } from "./orders";

const fetched = vi.fn<(request: Request) => Promise<Response>>();

beforeEach(() => void vi.stubGlobal("fetch", fetched));
afterEach(() => void vi.unstubAllGlobals());

const seen = (bedVersion: number, printId: string | null = null): Seen => ({
  bedVersion,
  printId,
});
const command = (state: string) =>
  Response.json({ id: "c", printer_id: "p", kind: "pause", state, answer: null });
const problem = (status: number, told: object) =>
  new Response(JSON.stringify(told), {
    status,
    headers: { "content-type": "application/problem+json" },
  });

it("gives each of 20 printers its own answer: three refuse, each for its own reason", async () => {
  const refuses = new Map([
    ["p3", "no_active_print"],
    ["p7", "command_refused"],
    ["p12", "role_too_low"],
  ]);
  fetched.mockImplementation(async (request) => {
    const id = /printers\/(\w+)\/pause/.exec(request.url)?.[1];
    if (id === undefined) return command("answered");
    const code = refuses.get(id);
    if (code !== undefined) return problem(409, { code, detail: `${id} ${code}`, hint: "" });
    return Response.json({ command_id: "c" }, { status: 202 });
  });
  const outcomes: Outcome[] = [];
  const beds = new Map(Array.from({ length: 20 }, (_, at) => [`p${at}`, seen(1)] as const));
  await tellAll("pause", beds, (one) => outcomes.push(one));
  expect(outcomes).toHaveLength(20);
  const refused = outcomes.filter((one) => one.problem !== null);
  const reasons = new Map(refused.map((one) => [one.printerId, one.problem?.code]));
  expect(reasons).toEqual(refuses);
});

it("tells no more than six printers at the same time, and all of them in the end", async () => {
  let [under, most] = [0, 0];
  fetched.mockImplementation(async (request) => {
    if (request.method !== "POST") return command("answered");
    under += 1;
    most = Math.max(most, under);
    await new Promise((resolve) => setTimeout(resolve));
    under -= 1;
    return Response.json({ command_id: "c" }, { status: 202 });
  });
  const outcomes: Outcome[] = [];
  const asked = new Map(Array.from({ length: 20 }, (_, at) => [`p${at}`, seen(1)] as const));
  await tellAll("pause", asked, (one) => outcomes.push(one));
  expect(most).toBe(6);
  expect(outcomes).toHaveLength(20);
});

it("clears many beds in one request that names each one's version as it was seen", async () => {
  let sent: unknown;
  fetched.mockImplementation(async (request) => {
    sent = await request.json();
    const changed = { ok: false, code: "bed_changed", detail: "version 8", hint: "look again" };
    return Response.json({
      results: [{ printer_id: "a", ok: true }, { printer_id: "b", ...changed }],
    });
  });
  const outcomes: Outcome[] = [];
  const asked = new Map([["a", seen(7)], ["b", seen(3)]]);
  await tellAll("clear_bed", asked, (one) => outcomes.push(one));
  expect(sent).toEqual({
    beds: [{ printer_id: "a", bed_version: 7 }, { printer_id: "b", bed_version: 3 }],
  });
  expect(outcomes[0]).toEqual({ printerId: "a", problem: null });
  expect(outcomes[1]?.problem).toMatchObject({ code: "bed_changed", hint: "look again" });
});

it("says of every bed that the server did not answer", async () => {
  fetched.mockRejectedValue(new TypeError("network"));
  const outcomes: Outcome[] = [];
  const asked = new Map([["a", seen(1)], ["b", seen(1)]]);
  await tellAll("clear_bed", asked, (one) => outcomes.push(one));
  expect(outcomes.map((one) => one.problem?.code)).toEqual(["unreachable", "unreachable"]);
});

it("cancels the prints that were seen, and says where there was none", async () => {
  const posted: string[] = [];
  fetched.mockImplementation(async (request) => {
    posted.push(new URL(request.url).pathname);
    return Response.json({}, { status: 202 });
  });
  const outcomes: Outcome[] = [];
  const asked = new Map([["a", seen(1, "x")], ["b", seen(1)]]);
  await tellAll("cancel", asked, (one) => outcomes.push(one));
  expect(posted).toEqual(["/api/v1/prints/x/cancel"]);
  const told = new Map(outcomes.map((one) => [one.printerId, one.problem?.code]));
  expect(told).toEqual(new Map([["a", undefined], ["b", "no_active_print"]]));
});
