// How old the picture of a printer is, by the server's clock as it goes on.
import { createPinia, setActivePinia } from "pinia";
import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { useLive } from "./store";

/** Opened at once; says what the test says. */
class Socket {
  static last: Socket;
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;

  constructor() {
    Socket.last = this;
  }
  close(): void {
    // nothing is open
  }
  tell(frame: object): void {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }
}
const snapshot = { type: "snapshot", epoch: "e", seq: 1, at_s: 100 };

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("WebSocket", Socket);
  vi.stubGlobal("fetch", async () => new Promise(() => undefined));
  setActivePinia(createPinia());
});
afterEach(() => {
  useLive().stop();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

async function heard(frame: object): Promise<ReturnType<typeof useLive>> {
  const live = useLive();
  live.start();
  Socket.last.onopen?.();
  Socket.last.tell(frame);
  await vi.advanceTimersByTimeAsync(250);
  return live;
}

it("grows by the second from what the server's clock said, while nothing is heard", async () => {
  const live = await heard(snapshot);
  const printer = { told_at_s: 99 };
  expect(live.ageOf(printer)).toBeCloseTo(1, 0);
  await vi.advanceTimersByTimeAsync(4000);
  expect(live.ageOf(printer)).toBeGreaterThan(4.5);
  expect(live.ageOf(printer)).toBeLessThan(5.5);
  await vi.advanceTimersByTimeAsync(2000);
  expect(live.ageOf(printer)).toBeGreaterThan(6.5);
  Socket.last.tell({ type: "patch", seq: 2, at_s: 107, printers: [] });
  await vi.advanceTimersByTimeAsync(1000);
  expect(live.ageOf({ told_at_s: 106.5 })).toBeLessThan(2);
});

it("is nothing of a printer that has never said anything, and never negative", async () => {
  const live = await heard(snapshot);
  expect(live.ageOf({ told_at_s: null })).toBeNull();
  expect(live.ageOf({ told_at_s: 200 })).toBe(0);
});

it("counts from the last beat how long a farm at rest is out of sight", async () => {
  const live = await heard(snapshot);
  for (let at = 105; at <= 3700; at += 5) {
    await vi.advanceTimersByTimeAsync(5000);
    Socket.last.tell({ type: "beat", at_s: at + 40 }); // this page's clock goes slower
  }
  expect(live.ageOf({ told_at_s: 3730 })).toBeCloseTo(10, 0);
  Socket.last.onclose?.({ code: 1006 });
  await vi.advanceTimersByTimeAsync(3000);
  expect(live.connection).toBe("lost");
  expect(live.staleness).toBeGreaterThan(1);
  expect(live.staleness).toBeLessThan(4);
});
