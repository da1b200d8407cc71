// A file that comes as a stream: whole, in part, refused, or not at all.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import type { Read, Trouble } from "./messages";
import { readInto } from "./reading";
import { Toolpath, type Layer } from "./toolpath";

const BODY = "M83\nG1 X0 Y0\n;LAYER:0\nG1 X1 E1\n;LAYER:1\nG1 X2 E1\n";

beforeEach(() => vi.stubGlobal("fetch", vi.fn()));
afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

function answers(response: Response): void {
  vi.mocked(fetch).mockResolvedValue(response);
}

async function read(): Promise<{ path: Toolpath; trouble: Trouble | null; told: Read[] }> {
  const path = new Toolpath();
  const told: Read[] = [];
  const trouble = await readInto(path, "/content", (one) => told.push(structuredClone(one)));
  return { path, trouble, told };
}

/** The layers as the page puts them together. */
function together(told: readonly Read[]): Layer[] {
  return told.reduce<Layer[]>((all, one) => all.slice(0, one.from).concat(one.layers), []);
}

const sized = (length: number): ResponseInit => ({ headers: { "content-length": String(length) } });

describe("a file", () => {
  it("is told with all its layers, and that it has ended", async () => {
    answers(new Response(BODY, sized(BODY.length)));
    const { trouble, told } = await read();
    expect(trouble).toBeNull();
    const last = told.at(-1);
    expect(last).toMatchObject({ bytes: BODY.length, size: BODY.length, ended: true, whole: true });
    expect(together(told).map((one) => one.prints)).toEqual([1, 1]);
  });

  it("is told anew where its first mark makes one layer of those that were told", async () => {
    const before = Array.from({ length: 50 }, (_, at) => `G1 X${at} Z${at + 1} E1\n`).join("");
    const pieces = [`M83\n${before}`, "G1 X7 E1\n", ";LAYER:0\nG1 X1 Z1 E1\n"];
    const later = Array.from({ length: 60 }, (_, at) => `;LAYER:${at + 1}\nG1 X${at} E1\n`);
    pieces.push(later.join(""));
    let now = 0;
    vi.spyOn(performance, "now").mockImplementation(() => (now += 200));
    const body = new ReadableStream<Uint8Array>({
      pull(stream) {
        const piece = pieces.shift();
        if (piece === undefined) stream.close();
        else stream.enqueue(new TextEncoder().encode(piece));
      },
    });
    answers(new Response(body));
    const { path, told } = await read();
    vi.restoreAllMocks();
    expect(told[0]?.layers).toHaveLength(50);
    expect(together(told)).toEqual(path.layers);
  });

  it("that breaks off is shown as far as it came, and told as lost", async () => {
    answers(new Response(BODY, sized(BODY.length + 1)));
    const { trouble, told } = await read();
    expect(trouble).toEqual({ kind: "lost" });
    expect(told.at(-1)).toMatchObject({ ended: true, whole: false });
    expect(together(told)).toHaveLength(2);
  });

  it("that fails on the way is told as lost", async () => {
    const body = new ReadableStream({
      pull: (stream) => stream.error(new TypeError("network")),
    });
    answers(new Response(body));
    expect((await read()).trouble).toEqual({ kind: "lost" });
  });

  it("that nobody answers is told as lost, also where nothing ever comes", async () => {
    vi.mocked(fetch).mockRejectedValue(new TypeError("network"));
    expect((await read()).trouble).toEqual({ kind: "lost" });
    vi.useFakeTimers();
    vi.mocked(fetch).mockImplementation(
      (_, init) =>
        new Promise((_, reject) => {
          init?.signal?.addEventListener("abort", () => reject(new DOMException("", "AbortError")));
        }),
    );
    const waiting = read();
    await vi.advanceTimersByTimeAsync(31_000);
    expect((await waiting).trouble).toEqual({ kind: "lost" });
  });

  it("that is refused is told with the server's reason", async () => {
    const told = { code: "content_missing", detail: "gone", hint: "send it again" };
    const headers = { "content-type": "application/problem+json" };
    answers(new Response(JSON.stringify(told), { status: 409, headers }));
    expect((await read()).trouble).toEqual({ kind: "answer", status: 409, told });
  });

  it("in which nothing prints is told", async () => {
    answers(new Response("G28\nG1 X1\n"));
    expect((await read()).trouble).toEqual({ kind: "nothing" });
  });

  it("with more than is kept is told, with what was read", async () => {
    const path = new Toolpath();
    vi.spyOn(path, "full", "get").mockReturnValue(true);
    answers(new Response(BODY));
    const told: Read[] = [];
    const trouble = await readInto(path, "/content", (one) => told.push(one));
    expect(trouble).toEqual({ kind: "full" });
    expect(together(told)).toHaveLength(2);
  });
});
