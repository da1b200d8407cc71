// What a person tells a printer from the farm page, and what became of it.
import { api, data } from "@/api/client";
import { cancel, turn } from "@/api/printer-orders";
import { asProblem, Problem } from "@/api/problem";

export const ORDERS = ["pause", "resume", "cancel", "clear_bed"] as const;
export type Order = (typeof ORDERS)[number];

export interface Outcome {
  printerId: string;
  /** What was refused or is not known; null where it was done. */
  problem: Problem | null;
}

/** What a person saw of a printer when they pressed the button: that is what the order is for. */
export interface Seen {
  bedVersion: number;
  printId: string | null;
}

/** How many printers are told something at the same time. */
const AT_ONCE = 6;

type Tell = (outcome: Outcome) => void;

async function clearBeds(asked: ReadonlyMap<string, Seen>, tell: Tell): Promise<void> {
  const beds = [...asked].map(([printer_id, seen]) => ({
    printer_id,
    bed_version: seen.bedVersion,
  }));
  let results;
  try {
    ({ results } = await data(api.POST("/api/v1/printers/clear-beds", { body: { beds } })));
  } catch (thrown) {
    const problem = asProblem(thrown);
    for (const printerId of asked.keys()) tell({ printerId, problem });
    return;
  }
  for (const one of results) {
    const { ok, code, detail, hint } = one;
    const told = { code: code ?? "", detail: detail ?? "", hint: hint ?? "" };
    tell({ printerId: one.printer_id, problem: ok ? null : new Problem(409, told) });
  }
}

/**
 * Tell many printers the same; each one's own outcome is told as it comes. Once `goesOn` says no,
 * nobody is told anything any more, and no outcome is either.
 */
export async function tellAll(
  order: Order,
  asked: ReadonlyMap<string, Seen>,
  tell: Tell,
  goesOn: () => boolean = () => true,
): Promise<void> {
  const note: Tell = (outcome) => void (goesOn() && tell(outcome));
  if (order === "clear_bed") return clearBeds(asked, note);
  const act = (id: string, seen: Seen) =>
    order === "cancel" ? cancel(seen.printId) : turn(id, order, goesOn);
  const waiting = [...asked];
  async function work(): Promise<void> {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      if (!goesOn()) return;
      const [printerId, seen] = next;
      let problem: Problem | null = null;
      try {
        await act(printerId, seen);
      } catch (thrown) {
        problem = asProblem(thrown);
      }
      note({ printerId, problem });
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}
