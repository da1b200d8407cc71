import { describe, expect, it } from "vitest";

import { Board } from "./board";
import type { Frame } from "./frames";
import {
  FIRST_WAIT_MS,
  LiveSocket,
  LONGEST_WAIT_MS,
  MOST_SILENCES,
  SILENCE_MS,
  waitBefore,
  type Connection,
  type Probe,
  type SocketLike,
} from "./socket";

class FakeSocket implements SocketLike {
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  closed = false;

  constructor(readonly url: string) {}

  close(): void {
    this.closed = true;
  }

  tell(...frames: object[]): void {
    for (const frame of frames) this.onmessage?.({ data: JSON.stringify(frame) });
  }
}

/** A world in which time goes on only when it is told to. */
class World {
  readonly sockets: FakeSocket[] = [];
  readonly board = new Board();
  readonly stood: Connection[] = [];
  readonly batches: (readonly Frame[])[] = [];
  readonly beats: number[] = [];
  found: Probe = "fine";
  probes = 0;
  rights = 0;
  private now = 0;
  private timers: { at: number; act: () => void }[] = [];
  private turns: (() => void)[] = [];

  readonly live = new LiveSocket(
    "ws://farm/api/v1/live",
    {
      open: (url) => {
        const socket = new FakeSocket(url);
        this.sockets.push(socket);
        return socket;
      },
      probe: async () => {
        this.probes += 1;
        return this.found;
      },
      after: (ms, act) => {
        const timer = { at: this.now + ms, act };
        this.timers.push(timer);
        return () => (this.timers = this.timers.filter((one) => one !== timer));
      },
      nextTurn: (act) => this.turns.push(act),
      random: () => 1,
    },
    {
      place: () => this.board.place,
      take: (frames) => {
        this.batches.push(frames);
        return frames.every((frame) => this.board.apply(frame));
      },
      beat: (atS) => this.beats.push(atS),
      stands: (connection) => this.stood.push(connection),
      rights: () => (this.rights += 1),
    },
  );

  get socket(): FakeSocket {
    const last = this.sockets.at(-1);
    if (!last) throw new Error("no socket was opened");
    return last;
  }

  turn(): void {
    for (const act of this.turns.splice(0)) act();
  }

  async pass(ms: number): Promise<void> {
    this.now += ms;
    const due = this.timers.filter((one) => one.at <= this.now);
    this.timers = this.timers.filter((one) => one.at > this.now);
    for (const one of due) one.act();
    await settle();
  }

  async lose(code: number): Promise<void> {
    this.socket.onclose?.({ code });
    await settle();
  }
}

async function settle(): Promise<void> {
  for (let round = 0; round < 5; round += 1) await Promise.resolve();
}

const snapshot = (epoch: string, seq: number) => ({
  type: "snapshot",
  epoch,
  seq,
  at_s: 1,
  printers: [{ id: "a", name: "A", progress: 0 }],
});
const patch = (seq: number, progress: number) => ({
  type: "patch",
  seq,
  at_s: 2,
  printers: [{ id: "a", progress }],
});

function opened(): World {
  const world = new World();
  world.live.start();
  world.socket.onopen?.();
  world.socket.tell(snapshot("first", 40));
  world.turn();
  return world;
}

describe("the live socket", () => {
  it("takes all frames that come within a turn as one batch", () => {
    const world = opened();
    world.socket.tell(patch(41, 0.1), patch(42, 0.2), patch(45, 0.3));
    expect(world.batches).toHaveLength(1);
    world.turn();
    expect(world.batches).toHaveLength(2);
    expect(world.board.printers.get("a")?.progress).toBe(0.3);
  });

  it("goes on from where it was when the connection is lost", async () => {
    const world = opened();
    await world.lose(1006);
    expect(world.stood.at(-1)).toBe("lost");
    await world.pass(FIRST_WAIT_MS);
    expect(world.socket.url).toBe("ws://farm/api/v1/live?epoch=first&after=40");
    world.socket.onopen?.();
    world.socket.tell(patch(44, 0.4));
    world.turn();
    expect(world.stood.at(-1)).toBe("live");
    expect(world.board.printers.get("a")?.progress).toBe(0.4);
  });

  it("takes the snapshot of a server that was started again", async () => {
    const world = opened();
    await world.lose(1001);
    await world.pass(FIRST_WAIT_MS);
    world.socket.onopen?.();
    world.socket.tell(snapshot("second", 1), patch(2, 0.9));
    world.turn();
    expect(world.board.place).toEqual({ epoch: "second", seq: 2 });
    expect(world.board.printers.get("a")?.progress).toBe(0.9);
  });

  it("asks for everything anew after a gap, and does not ask without end at once", async () => {
    const world = opened();
    world.socket.tell({ type: "patch", seq: 50, at_s: 2, printers: [{ id: "b", progress: 1 }] });
    const before = world.socket;
    world.turn();
    expect(before.closed).toBe(true);
    expect(world.sockets).toHaveLength(1);
    await world.pass(FIRST_WAIT_MS);
    expect(world.socket.url).toBe("ws://farm/api/v1/live");
    world.socket.onopen?.();
    world.socket.tell(snapshot("first", 51));
    world.turn();
    expect(world.board.place?.seq).toBe(51);
    await world.lose(1006);
    await world.pass(FIRST_WAIT_MS);
    expect(world.socket.url).toContain("after=51");
  });

  it("hears nothing any more of a socket that it has given up", async () => {
    const world = opened();
    const old = world.socket;
    const { onmessage, onclose } = old;
    await world.lose(1006);
    onmessage?.({ data: JSON.stringify(patch(41, 0.9)) });
    onclose?.({ code: 1006 });
    world.turn();
    expect(world.board.place?.seq).toBe(40);
  });

  it("waits longer and longer, up to a limit, and never all clients at the same time", () => {
    const waits = [0, 1, 2, 3, 4, 5, 20].map((attempt) => waitBefore(attempt, 1));
    expect(waits).toEqual([500, 1000, 2000, 4000, 8000, LONGEST_WAIT_MS, LONGEST_WAIT_MS]);
    expect(waitBefore(3, 0)).toBe(2000);
  });

  it("keeps trying while the server is away, without an end", async () => {
    const world = opened();
    world.found = "unreachable";
    await world.lose(1006);
    for (let attempt = 1; attempt <= 8; attempt += 1) {
      await world.pass(LONGEST_WAIT_MS);
      expect(world.sockets).toHaveLength(1 + attempt);
      await world.lose(1006);
    }
    expect(world.stood).toEqual(["connecting", "live", ...Array(9).fill("lost")]);
  });

  it("tries at once when the network is back", async () => {
    const world = opened();
    await world.lose(1006);
    world.live.hurry();
    expect(world.sockets).toHaveLength(2);
    await world.pass(LONGEST_WAIT_MS);
    expect(world.sockets).toHaveLength(2);
  });

  it("stops when nobody is signed in any more", async () => {
    const world = opened();
    world.found = "signed_out";
    await world.lose(1008);
    expect(world.stood.at(-1)).toBe("signed_out");
    await world.pass(LONGEST_WAIT_MS);
    expect(world.sockets).toHaveLength(1);
  });

  it("opens another one at once, from the beginning, when its rights have changed", async () => {
    const world = opened();
    await world.lose(4001);
    expect(world.socket.url).toBe("ws://farm/api/v1/live");
    expect(world.sockets).toHaveLength(2);
    expect(world.rights).toBe(1);
  });

  it("gives up a handshake that nobody answers", async () => {
    const world = opened();
    await world.lose(1006);
    await world.pass(FIRST_WAIT_MS);
    const hung = world.socket;
    await world.pass(SILENCE_MS);
    expect(hung.closed).toBe(true);
    expect(world.stood.at(-1)).toBe("lost");
    await world.pass(LONGEST_WAIT_MS);
    expect(world.sockets).toHaveLength(3);
  });

  it("makes a socket anew that stays silent while requests are answered", async () => {
    const world = opened();
    for (let time = 1; time < MOST_SILENCES; time += 1) await world.pass(SILENCE_MS);
    expect(world.sockets).toHaveLength(1);
    await world.pass(SILENCE_MS);
    expect(world.sockets).toHaveLength(2);
    expect(world.socket.url).toBe("ws://farm/api/v1/live?epoch=first&after=40");
    world.socket.onopen?.();
    await world.pass(SILENCE_MS);
    expect(world.sockets).toHaveLength(2);
  });

  it("knows by its beats that a farm at rest is there, and asks nothing", async () => {
    const world = opened();
    for (let time = 0; time < 10; time += 1) {
      await world.pass(SILENCE_MS / 2);
      world.socket.tell({ type: "beat", at_s: time });
    }
    const batches = world.batches.length;
    world.turn();
    expect([world.sockets.length, world.probes]).toEqual([1, 0]);
    expect(world.batches.length).toBe(batches);
    expect(world.beats).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it("asks at once for an open socket, and connects one anew that is not", async () => {
    const world = opened();
    world.live.hurry();
    expect(world.probes).toBe(1);
    await world.pass(0);
    expect(world.sockets).toHaveLength(1);
    world.found = "unreachable";
    world.live.hurry();
    await world.pass(0);
    expect(world.stood.at(-1)).toBe("lost");
    await world.pass(FIRST_WAIT_MS);
    const hung = world.socket;
    world.live.hurry();
    expect(hung.closed).toBe(true);
    expect(world.sockets).toHaveLength(3);
  });

  it("does not call live what it has to ask for anew", async () => {
    const world = opened();
    world.socket.tell(patch(39, 0.1));
    world.turn();
    expect(world.stood.at(-1)).toBe("connecting");
    await world.pass(FIRST_WAIT_MS);
    world.socket.onopen?.();
    expect(world.stood.at(-1)).toBe("live");
  });

  it("asks after silence whether the server is there, and gives a dead line up", async () => {
    const world = opened();
    await world.pass(SILENCE_MS);
    expect(world.probes).toBe(1);
    expect(world.stood.at(-1)).toBe("live");
    world.found = "unreachable";
    await world.pass(SILENCE_MS);
    expect(world.socket.closed).toBe(true);
    expect(world.stood.at(-1)).toBe("lost");
    await world.pass(LONGEST_WAIT_MS);
    expect(world.sockets).toHaveLength(2);
  });

  it("is quiet once it is stopped", async () => {
    const world = opened();
    world.socket.tell(patch(41, 0.5));
    world.live.stop();
    world.turn();
    await world.pass(LONGEST_WAIT_MS);
    expect(world.stood.at(-1)).toBe("idle");
    expect(world.sockets).toHaveLength(1);
    expect(world.board.place?.seq).toBe(40);
  });
});
