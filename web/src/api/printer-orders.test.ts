import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { carriedOut, PATIENCE_MS, type Look } from "./printer-orders";
import { Problem } from "./problem";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** The command's states, one a look; the last one stays. */
function ledger(...states: string[]): Look {
  let looks = 0;
  return vi.fn(async () => {
    const state = states[Math.min(looks++, states.length - 1)];
    return { state, answer: "the printer's own words" } as Awaited<ReturnType<Look>>;
  });
}

it("is pending until the printer answered", async () => {
  let done = false;
  const waiting = carriedOut("c", () => true, ledger("asked", "sent", "answered"));
  void waiting.then(() => (done = true));
  await vi.advanceTimersByTimeAsync(600);
  expect(done).toBe(false);
  await vi.advanceTimersByTimeAsync(600);
  expect(done).toBe(true);
});

it("says what the printer said when it refused", async () => {
  await expect(carriedOut("c", () => true, ledger("refused"))).rejects.toMatchObject({
    code: "printer_refused", message: "the printer's own words", refused: true,
  });
});

it("does not claim to know what nobody knows", async () => {
  const unknown = expect(carriedOut("c", () => true, ledger("sent", "unknown"))).rejects
    .toMatchObject({ code: "command_unknown", refused: false });
  const settled = expect(carriedOut("c", () => true, ledger("sent", "settled"))).rejects
    .toMatchObject({ code: "command_unknown", refused: false });
  const silent = expect(carriedOut("c", () => true, ledger("sent"))).rejects
    .toMatchObject({ code: "command_open", refused: false });
  await vi.advanceTimersByTimeAsync(PATIENCE_MS + 1_000);
  await Promise.all([unknown, settled, silent]);
});

it("asks no more when the page is left", async () => {
  let here = true;
  const look = ledger("sent");
  const waiting = carriedOut("c", () => here, look);
  here = false;
  await vi.advanceTimersByTimeAsync(5_000);
  await waiting;
  expect(look).toHaveBeenCalledTimes(1);
});

it("goes on looking where the wire fails: the order was taken", async () => {
  const answered = ledger("answered");
  const look = vi.fn<Look>().mockRejectedValueOnce(new Problem(0, {}, true));
  look.mockRejectedValueOnce(new Problem(503, {}, true)).mockImplementation(answered);
  const waiting = carriedOut("c", () => true, look);
  await vi.advanceTimersByTimeAsync(1_000);
  await expect(waiting).resolves.toBeUndefined();
  expect(look).toHaveBeenCalledTimes(3);
});

it("never says that nothing was changed once the order was taken", async () => {
  const open = { code: "command_open", read: false, refused: false };
  const cut = vi.fn<Look>().mockRejectedValue(new Problem(0, {}, true));
  const waiting = expect(carriedOut("c", () => true, cut)).rejects.toMatchObject(open);
  await vi.advanceTimersByTimeAsync(PATIENCE_MS + 1_000);
  await waiting;
  const gone = vi.fn<Look>().mockRejectedValue(new Problem(404, { code: "not_found" }, true));
  await expect(carriedOut("c", () => true, gone)).rejects.toMatchObject(open);
});
