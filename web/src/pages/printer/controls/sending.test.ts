// One order after the other, each sent once, and a stop before them all.
import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { makeSender, type Order } from "./sending";

const JOG: Order = { kind: "jog", body: { x: 10 } };
const HOME: Order = { kind: "home", body: { axes: [] } };
const sent: { path: string; key: string | null }[] = [];
let answer: () => Response;

beforeEach(() => {
  sent.length = 0;
  answer = () => Response.json({ command_id: "c" }, { status: 202 });
  vi.stubGlobal("fetch", async (request: Request) => {
    const path = new URL(request.url).pathname.replace("/api/v1/printers/a/", "");
    sent.push({ path, key: request.headers.get("Idempotency-Key") });
    return answer();
  });
});
afterEach(() => vi.unstubAllGlobals());

it("sends the next when the printer has answered the one before", async () => {
  let answered: () => void = () => undefined;
  const carry = vi.fn(() => new Promise<void>((resolve) => (answered = resolve)));
  const sender = makeSender(() => true, carry);
  const [first, second] = [sender.send("a", HOME), sender.send("a", JOG)];
  await vi.waitFor(() => expect(carry).toHaveBeenCalledTimes(1));
  expect(sent.map(({ path }) => path)).toEqual(["home"]);
  answered();
  await first;
  await vi.waitFor(() => expect(carry).toHaveBeenCalledTimes(2));
  expect(sent.map(({ path }) => path)).toEqual(["home", "jog"]);
  answered();
  await second;
});

it("takes the same press twice for two orders", async () => {
  const sender = makeSender(() => true, async () => undefined);
  await sender.send("a", JOG);
  await sender.send("a", JOG);
  expect(new Set(sent.map(({ key }) => key)).size).toBe(2);
});

it("sends again under the same key what nobody knows to have arrived", async () => {
  const sender = makeSender(() => true, async () => undefined);
  answer = () => { throw new TypeError("the line is cut"); };
  await expect(sender.send("a", JOG)).rejects.toMatchObject({ status: 0 });
  answer = () => Response.json({ command_id: "c" }, { status: 202 });
  await sender.send("a", JOG);
  await sender.send("a", JOG);
  const [cut, again, another] = sent.map(({ key }) => key);
  expect(again).toBe(cut);
  expect(another).not.toBe(cut);
});

it("goes on after an order that was refused", async () => {
  const sender = makeSender(() => true, async () => undefined);
  const told = JSON.stringify({ code: "printer_prints", detail: "it prints" });
  const headers = { "content-type": "application/problem+json" };
  answer = () => new Response(told, { status: 409, headers });
  const first = expect(sender.send("a", HOME)).rejects.toMatchObject({ code: "printer_prints" });
  const second = expect(sender.send("a", JOG)).rejects.toMatchObject({ code: "printer_prints" });
  await Promise.all([first, second]);
  expect(sent.map(({ path }) => path)).toEqual(["home", "jog"]);
});

it("stops at once, and sends nothing any more of what waited", async () => {
  let answered: () => void = () => undefined;
  const carry = vi.fn(() => new Promise<void>((resolve) => (answered = resolve)));
  const sender = makeSender(() => true, carry);
  const first = sender.send("a", HOME);
  const waits = sender.send("a", JOG);
  await vi.waitFor(() => expect(carry).toHaveBeenCalledTimes(1));
  const release = answered;
  const stop = sender.stop("a");
  await vi.waitFor(() => expect(carry).toHaveBeenCalledTimes(2));
  expect(sent.map(({ path }) => path)).toEqual(["home", "emergency-stop"]);
  answered();
  release();
  await Promise.all([first, stop]);
  await expect(waits).rejects.toMatchObject({ code: "order_dropped" });
  expect(sent).toHaveLength(2);
});
