// Brings one file to the server whatever happens on the way: goes on where it was cut off.
import { asProblem } from "@/api/problem";

import { tus, type Place, type Tus } from "./tus";

/** Parts grow until one takes about this long: progress is seen, and little is sent twice. */
const PART_MS = 1000;
const SMALLEST = 256 * 1024;
const LARGEST = 16 * 1024 * 1024;
const LONGEST_PAUSE_MS = 30_000;
/** What a later try can mend: nothing answered, too slow, too much at once, the server restarts. */
const PASSING = new Set([0, 408, 429, 502, 503, 504]);
/** The content will not do, and the server has let go of it. */
export const REFUSED = new Set([413, 422]);
/** Another request was quicker: ask where the upload is, and go on from there. */
const ELSEWHERE = new Set(["offset_mismatch", "upload_taken_over"]);

export interface Around {
  tus: Tus;
  /** Resolves after so long, or earlier where there is hope. */
  pause(ms: number, signal: AbortSignal): Promise<void>;
  now(): number;
}

export const BROWSER: Around = {
  tus,
  now: () => performance.now(),
  pause: (ms, signal) =>
    new Promise((resolve) => {
      const stop = new AbortController();
      const over = (): void => (clearTimeout(timer), stop.abort(), resolve());
      const timer = setTimeout(over, ms);
      window.addEventListener("online", over, { signal: stop.signal });
      signal.addEventListener("abort", over, { signal: stop.signal });
    }),
};

export interface Told {
  /** So many bytes are on the server. */
  sent(bytes: number): void;
  /** The upload's path, to be remembered; null: there is none any more. */
  path(path: string | null): void;
  /** Nothing answers; false: it goes on. */
  lost(is: boolean): void;
}

/** Send `file`, from `path` on if that is known; the id of what it became. Throws a Problem. */
export async function deliver(
  file: File,
  path: string | null,
  signal: AbortSignal,
  around: Around,
  told: Told,
): Promise<string> {
  let [known, tries] = [path, 0];
  for (;;) {
    try {
      if (known === null) {
        known = await begin(file, signal, around);
        told.path(known);
      }
      return await sendParts(file, known, signal, around, (bytes) => {
        if (bytes) tries = 0;
        told.lost(false);
        told.sent(bytes);
      });
    } catch (thrown) {
      if (signal.aborted) throw thrown;
      const problem = asProblem(thrown);
      tries += 1;
      if (problem.status === 404 && known !== null && tries < 3) {
        known = null; // it has expired: from the beginning, then
        told.path(null);
        told.sent(0);
        continue;
      }
      if (!PASSING.has(problem.status) && !ELSEWHERE.has(problem.code)) {
        if (REFUSED.has(problem.status)) told.path(null);
        throw problem;
      }
      told.lost(PASSING.has(problem.status));
      await around.pause(Math.min(LONGEST_PAUSE_MS, 500 * 2 ** tries), signal);
      signal.throwIfAborted();
    }
  }
}

/** Begin an upload; where it was stopped meanwhile, the server keeps no room for it. */
async function begin(file: File, signal: AbortSignal, { tus }: Around): Promise<string> {
  const path = await tus.begin(file.name, file.size);
  if (signal.aborted) {
    await tus.end(path).catch(asProblem);
    signal.throwIfAborted();
  }
  return path;
}

async function sendParts(
  file: File,
  path: string,
  signal: AbortSignal,
  around: Around,
  sent: (bytes: number) => void,
): Promise<string> {
  let place: Place = await around.tus.look(path);
  let size = SMALLEST;
  for (;;) {
    sent(place.offset);
    if (place.fileId !== null) return place.fileId;
    const began = around.now();
    const part = file.slice(place.offset, place.offset + size);
    place = await around.tus.append(path, place.offset, part, signal);
    const took = Math.max(1, around.now() - began);
    const fitting = Math.min(size * 2, Math.round((size * PART_MS) / took));
    size = Math.min(LARGEST, Math.max(SMALLEST, fitting));
  }
}
