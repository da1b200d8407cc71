// The line of all that is being uploaded, from whichever page: so many at once, the others in turn.
import { defineStore } from "pinia";

import { asProblem } from "@/api/problem";

import type { Told } from "./courier";

/** So many at once: one alone leaves the line idle between two parts. */
const AT_ONCE = 2;

export interface Line {
  /**
   * Send `file` once it is its turn, and go on from `path` where that is known by then; the id of
   * what it became. `begins` is told of the turn. Throws a Problem, or why `signal` was aborted.
   */
  send(
    file: File,
    path: () => string | null,
    signal: AbortSignal,
    told: Told & { begins(): void },
  ): Promise<string>;
}

export function makeLine(): Line {
  const waiting = new Set<() => void>();
  let under = 0;

  function turn(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      const go = (): void => {
        waiting.delete(go);
        under += 1;
        resolve();
      };
      if (under < AT_ONCE) return go();
      waiting.add(go);
      const leave = () => void (waiting.delete(go) && reject(signal.reason as Error));
      signal.addEventListener("abort", leave, { once: true });
    });
  }

  return {
    async send(file, path, signal, told) {
      await turn(signal);
      try {
        told.begins();
        const { BROWSER, deliver } = await import("./courier");
        return await deliver(file, path(), signal, BROWSER, told);
      } finally {
        under -= 1;
        const [next] = waiting;
        next?.();
      }
    },
  };
}

export const useLine = defineStore("upload-line", makeLine);

/** Give up what the server keeps of an upload. */
export async function giveUp(path: string): Promise<void> {
  try {
    const { tus } = await import("./tus");
    await tus.end(path);
  } catch (thrown) {
    asProblem(thrown); // the server clears it away by itself after a day
  }
}
