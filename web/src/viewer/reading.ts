// Fetches a file as a stream and reads it as it comes; tells how far it is, and what went wrong.
import { problemOf } from "@/api/problem";

import type { Read, Trouble } from "./messages";
import { Reader } from "./reader";
import type { Toolpath } from "./toolpath";

/** How often it is told what there is by now, in ms. */
const TOLD_MS = 250;
/** Layers that are told at a time: the page takes them without a pause that is felt. */
const TOLD_AT_ONCE = 2000;
/** How long the thread reads before it looks whether there is something else to do, in ms. */
const TURN_MS = 12;
/** How long it rests then: with few processors the page would wait for one in the meantime. */
const REST_MS = 10;
/** When no byte has come for so long, the connection is given up, in ms. */
const SILENCE_MS = 30_000;

/** Read all that there is at this address; why there is no more, where something is wrong. */
export async function readInto(
  path: Toolpath,
  url: string,
  tell: (read: Read) => void,
): Promise<Trouble | null> {
  const giving = new AbortController();
  const answer = await patiently(fetch(url, { signal: giving.signal }), giving).catch(() => null);
  if (answer === null) return { kind: "lost" };
  if (!answer.ok || answer.body === null) return refused(answer);
  const length = answer.headers.get("content-length");
  const coded = answer.headers.has("content-encoding");
  const teller = new Teller(path, length === null || coded ? null : Number(length), tell);
  try {
    return await follow(answer.body.getReader(), path, teller, giving);
  } finally {
    giving.abort();
  }
}

async function refused(answer: Response): Promise<Trouble> {
  const { status, code, detail, hint } = await problemOf(answer);
  return { kind: "answer", status, told: { code, detail, hint } };
}

async function follow(
  stream: ReadableStreamDefaultReader<Uint8Array>,
  path: Toolpath,
  teller: Teller,
  giving: AbortController,
): Promise<Trouble | null> {
  const reader = new Reader(path);
  let turn = performance.now();
  for (;;) {
    const piece = await patiently(stream.read(), giving).catch(() => null);
    if (piece === null) return teller.end({ kind: "lost" });
    if (piece.done) break;
    reader.feed(piece.value);
    teller.bytes += piece.value.length;
    if (path.full) return teller.end({ kind: "full" });
    if (performance.now() - turn < TURN_MS) continue;
    teller.tellSometimes();
    await otherWork();
    turn = performance.now();
  }
  reader.finish();
  if (teller.size !== null && teller.bytes < teller.size) return teller.end({ kind: "lost" });
  return teller.end(path.layers.length ? null : { kind: "nothing" });
}

/** What comes, unless nothing comes for too long. */
async function patiently<T>(coming: Promise<T>, giving: AbortController): Promise<T> {
  const timer = setTimeout(() => giving.abort(), SILENCE_MS);
  try {
    return await coming;
  } finally {
    clearTimeout(timer);
  }
}

/** Let the thread take its messages and draw its frame, and others have the processor. */
function otherWork(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, REST_MS));
}

class Teller {
  bytes = 0;
  readonly size: number | null;
  readonly #path: Toolpath;
  readonly #tell: (read: Read) => void;
  #told = 0;
  #marked = false;
  #at = 0;

  constructor(path: Toolpath, size: number | null, tell: (read: Read) => void) {
    this.#path = path;
    this.size = size;
    this.#tell = tell;
  }

  tellSometimes(): void {
    if (performance.now() - this.#at < TOLD_MS) return;
    this.#some("more");
  }

  /** Tell the rest, and that there is no more. */
  end(trouble: Trouble | null): Trouble | null {
    this.#forgetMerged();
    while (this.#path.layers.length - this.#told > TOLD_AT_ONCE) this.#some("more");
    this.#some(trouble === null ? "whole" : "broken off");
    return trouble;
  }

  /** What was told before the first mark is no layer any more: all are told anew. */
  #forgetMerged(): void {
    if (this.#marked || !this.#path.marked) return;
    this.#marked = true;
    this.#told = 0;
  }

  /** The last layer that was told may have grown since: it is told again. */
  #some(now: "more" | "whole" | "broken off"): void {
    this.#forgetMerged();
    const from = Math.max(0, this.#told - 1);
    const layers = this.#path.layers.slice(from, from + TOLD_AT_ONCE);
    const { bytes, size } = this;
    const end = { ended: now !== "more", whole: now === "whole" };
    this.#tell({ type: "read", bytes, size, from, layers, box: this.#path.printed, ...end });
    this.#told = from + layers.length;
    this.#at = performance.now();
  }
}
