// An upload arrives whole, whatever happens to its connection.
import { describe, expect, it, vi } from "vitest";

import { Problem } from "@/api/problem";

import { deliver, type Around, type Told } from "./courier";
import type { Place, Tus } from "./tus";

/** A server in memory that does what a test tells it with the next requests. */
class Server implements Tus {
  kept = "";
  known = new Set<string>();
  asked: string[] = [];
  troubles: ((part: string) => void)[] = [];
  begun = 0;

  constructor(private readonly length: number) {}

  private place(): Place {
    return { offset: this.kept.length, fileId: this.kept.length === this.length ? "f1" : null };
  }

  private check(path: string): void {
    if (!this.known.has(path)) throw new Problem(404, { code: "upload_not_found" });
  }

  async begin(): Promise<string> {
    this.asked.push("begin");
    this.troubles.shift()?.("");
    const path = `/u/${++this.begun}`;
    this.known.add(path);
    this.kept = "";
    return path;
  }

  async look(path: string): Promise<Place> {
    this.asked.push("look");
    this.troubles.shift()?.("");
    this.check(path);
    return this.place();
  }

  async append(path: string, offset: number, part: Blob): Promise<Place> {
    this.asked.push(`append ${offset}`);
    const text = await part.text();
    this.troubles.shift()?.(text);
    this.check(path);
    if (offset !== this.kept.length) throw new Problem(409, { code: "offset_mismatch" });
    this.kept += text;
    return this.place();
  }

  async end(path: string): Promise<void> {
    this.known.delete(path);
  }
}

const fine = (): void => undefined;
function fail(status: number, code?: string): () => void {
  return () => {
    throw new Problem(status, code === undefined ? {} : { code });
  };
}

const TEXT = "G1 X10 Y10\n".repeat(60_000);
function setting(text = TEXT): {
  server: Server;
  file: File;
  around: Around;
  told: { [K in keyof Told]: ReturnType<typeof vi.fn<Told[K]>> };
  stop: AbortController;
} {
  const server = new Server(text.length);
  return {
    server,
    file: new File([text], "a.gcode"),
    around: { tus: server, pause: vi.fn(() => Promise.resolve()), now: () => 0 },
    told: { sent: vi.fn(), path: vi.fn(), lost: vi.fn() },
    stop: new AbortController(),
  };
}

describe("deliver", () => {
  it("sends a file in parts and says how far it is", async () => {
    const { server, file, around, told, stop } = setting();
    expect(await deliver(file, null, stop.signal, around, told)).toBe("f1");
    expect(server.kept).toBe(TEXT);
    expect(server.asked.filter((one) => one.startsWith("append")).length).toBeGreaterThan(1);
    const sent = told.sent.mock.calls.map(([bytes]) => bytes);
    expect(sent).toEqual([...sent].sort((a, b) => a - b));
    expect(sent.at(-1)).toBe(TEXT.length);
    expect(told.path.mock.calls).toEqual([["/u/1"]]);
  });

  it("sends parts of about a second: twice as large at most, smaller on a slow line", async () => {
    const { server, file, around, told, stop } = setting("G1 X10 Y10\n".repeat(600_000));
    const KB = 1024;
    let [now, kept, speed] = [0, 0, 10_000 * KB];
    const sizes: number[] = [];
    const watched = (part: string): void => {
      sizes.push(part.length / KB);
      kept += part.length;
      now += (part.length / speed) * 1000;
      if (kept > 1500 * KB) speed = 400 * KB;
    };
    around.now = () => now;
    server.troubles = [fine, fine, ...Array<typeof watched>(100).fill(watched)];
    await deliver(file, null, stop.signal, around, told);
    expect(sizes.slice(0, 3)).toEqual([256, 512, 1024]);
    expect(sizes[3]).toBe(2048);
    expect(sizes[4]).toBeCloseTo(400, 0);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(2048);
  });

  it("tries again what a later try can mend", async () => {
    for (const status of [0, 408, 429, 502, 503, 504]) {
      const { server, file, around, told, stop } = setting();
      server.troubles = [fine, fine, fail(status)];
      expect(await deliver(file, null, stop.signal, around, told), String(status)).toBe("f1");
      expect(told.lost.mock.calls.map(([is]) => is)).toContain(true);
    }
  });

  it("goes on from what the server has kept of a part that was cut off", async () => {
    const { server, file, around, told, stop } = setting();
    const cut = (part: string): void => {
      server.kept += part.slice(0, 1234);
      throw new Problem(0);
    };
    server.troubles = [fine, fine, cut, fail(0), fail(503)];
    expect(await deliver(file, null, stop.signal, around, told)).toBe("f1");
    expect(server.kept).toBe(TEXT);
    expect(server.asked).toContain("append 1234");
    expect(server.begun).toBe(1);
    expect(told.lost.mock.calls.map(([is]) => is)).toContain(true);
    expect(told.lost.mock.calls.at(-1)).toEqual([false]);
    expect(around.pause).toHaveBeenCalledTimes(3);
  });

  it("learns the file's id where the answer to the last part was lost", async () => {
    const { server, file, around, told, stop } = setting("G28\n");
    const lostAnswer = (part: string): void => {
      server.kept += part;
      throw new Problem(0);
    };
    server.troubles = [fine, fine, lostAnswer];
    expect(await deliver(file, null, stop.signal, around, told)).toBe("f1");
    expect(server.kept).toBe("G28\n");
  });

  it("goes on with an upload of an earlier visit", async () => {
    const { server, file, around, told, stop } = setting();
    server.known.add("/u/old");
    server.kept = TEXT.slice(0, 5000);
    await deliver(file, "/u/old", stop.signal, around, told);
    expect(server.begun).toBe(0);
    expect(server.asked[1]).toBe("append 5000");
    expect(server.kept).toBe(TEXT);
  });

  it("begins anew where the server has let the upload go", async () => {
    const { server, file, around, told, stop } = setting();
    await deliver(file, "/u/expired", stop.signal, around, told);
    expect(server.begun).toBe(1);
    expect(server.kept).toBe(TEXT);
    expect(told.path.mock.calls).toEqual([[null], ["/u/1"]]);
  });

  it("asks again where another request was quicker", async () => {
    const { server, file, around, told, stop } = setting();
    server.troubles = [fine, fine, fail(409, "upload_taken_over")];
    expect(await deliver(file, null, stop.signal, around, told)).toBe("f1");
    expect(told.lost).not.toHaveBeenCalledWith(true);
  });

  it("does not try again what was refused, and forgets it", async () => {
    const { server, file, around, told, stop } = setting();
    server.troubles = [fine, fine, fail(422, "not_gcode")];
    const sending = deliver(file, null, stop.signal, around, told);
    await expect(sending).rejects.toMatchObject({ code: "not_gcode" });
    expect(around.pause).not.toHaveBeenCalled();
    expect(told.path).toHaveBeenLastCalledWith(null);
  });

  it("keeps its place where the disk is full or the session has ended", async () => {
    for (const status of [507, 401]) {
      const { server, file, around, told, stop } = setting();
      server.troubles = [fine, fine, fail(status)];
      const sending = deliver(file, null, stop.signal, around, told);
      await expect(sending).rejects.toMatchObject({ status });
      expect(told.path.mock.calls).toEqual([["/u/1"]]);
    }
  });

  it("leaves nothing on the server where it is stopped while it begins", async () => {
    const { server, file, around, told, stop } = setting();
    server.troubles = [() => stop.abort()];
    await expect(deliver(file, null, stop.signal, around, told)).rejects.toThrow();
    expect(server.begun).toBe(1);
    expect(server.known.size).toBe(0);
    expect(told.path).not.toHaveBeenCalled();
  });

  it("stops at once when it is told to, also while it waits", async () => {
    const { server, file, around, told, stop } = setting();
    around.pause = async () => stop.abort();
    server.troubles = [fine, fine, fail(0)];
    await expect(deliver(file, null, stop.signal, around, told)).rejects.toThrow();
    expect(server.asked.length).toBe(3);
  });
});
