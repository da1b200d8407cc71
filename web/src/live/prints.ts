// Which job and file the prints are that printers show: looked up once each, many at a time.
import { defineStore } from "pinia";
import { shallowReactive } from "vue";

import { api, data } from "@/api/client";
import { asProblem } from "@/api/problem";
import type { components } from "@/api/schema";

type Print = components["schemas"]["PrintOut"];
export type PrintName = Pick<Print, "id" | "job_id" | "file_name" | "copy_no" | "number">;

/** More unknown prints than this are looked up by one list first. */
const FEW = 4;
/** How many are looked up one by one at the same time. */
const AT_ONCE = 6;
/** After so long (ms) those that could not be looked up are looked up again. */
export const AGAIN_MS = 5000;
/** A page that stays open for months forgets the names that it learned first. */
export const MOST_NAMES = 5000;
const PRINTING = { params: { query: { limit: 1000, state: "printing" } } } as const;

export const usePrintNames = defineStore("print-names", () => {
  const names: Map<string, PrintName> = shallowReactive(new Map());
  const asked = new Set<string>();
  let gathered: string[] = [];
  /** While the list is read: what is asked for meanwhile may be in it. */
  let listing: Promise<void> | null = null;
  /** Another one after `clear`: what is answered to the one before is for nobody. */
  let round = 0;

  function gather(ids: readonly string[]): void {
    const first = gathered.length === 0;
    gathered.push(...ids);
    if (first && ids.length) queueMicrotask(() => void lookUp());
  }

  async function lookUp(): Promise<void> {
    const mine = round;
    const wanted = gathered;
    gathered = [];
    const failed: string[] = [];
    if (wanted.length > FEW) listing ??= lookUpPrinting(mine);
    await listing;
    const unknown = wanted.filter((id) => !names.has(id));
    async function work(): Promise<void> {
      for (let id = unknown.shift(); id !== undefined; id = unknown.shift()) {
        if (mine === round && !(await lookUpOne(id, mine))) failed.push(id);
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    if (failed.length) setTimeout(() => mine === round && gather(failed), AGAIN_MS);
  }

  async function lookUpPrinting(mine: number): Promise<void> {
    try {
      const { items } = await data(api.GET("/api/v1/prints", PRINTING));
      for (const one of items) put(one, mine);
    } catch (thrown) {
      asProblem(thrown); // each of them is asked for by itself
    } finally {
      if (mine === round) listing = null;
    }
  }

  /** Whether it is known now, or known to be unknown. */
  async function lookUpOne(id: string, mine: number): Promise<boolean> {
    const path = { params: { path: { print_id: id } } };
    try {
      put(await data(api.GET("/api/v1/prints/{print_id}", path)), mine);
      return true;
    } catch (thrown) {
      return asProblem(thrown).status === 404;
    }
  }

  function put(print: Print, mine: number): void {
    if (mine !== round) return;
    const { id, job_id, file_name, copy_no, number } = print;
    asked.add(id);
    names.set(id, { id, job_id, file_name, copy_no, number });
    for (const oldest of names.keys()) {
      if (names.size <= MOST_NAMES) break;
      names.delete(oldest);
      asked.delete(oldest);
    }
  }

  /** The name of a print; undefined until it is known. */
  function nameOf(id: string | null): PrintName | undefined {
    if (id === null) return undefined;
    const found = names.get(id);
    if (found === undefined && !asked.has(id)) {
      asked.add(id);
      gather([id]);
    }
    return found;
  }

  function clear(): void {
    round += 1;
    gathered = [];
    listing = null;
    names.clear();
    asked.clear();
  }

  return { nameOf, clear };
});
