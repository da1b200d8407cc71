// Which order a printer takes when: the server's own table (core/controlling.py), so that a person
// reads why not before pressing. The server decides all the same.
import type { LivePrinter } from "@/live/frames";

/**
 * `still`: it moves the machine. `at_rest`: it cuts the machine's power. `alive`: beside a print,
 * too. `a_print`: of a running print. `reached`: whatever the machine does.
 */
export type Need = "still" | "at_rest" | "alive" | "a_print" | "reached" | "stop";
export type Denial =
  | "not_online" | "prints" | "busy" | "halted" | "not_known" | "prints_nothing" | "reserved";

type Moment = Pick<LivePrinter, "link" | "activity" | "print_id">;
type Activity = Moment["activity"];

const STANDS = {
  still: null, at_rest: null, alive: null, a_print: "prints_nothing", reached: null,
} as const;
const WORKS = { ...STANDS, at_rest: "busy" } as const;
const RUNS = {
  still: "prints", at_rest: "prints", alive: null, a_print: null, reached: null,
} as const;
const HALTED = {
  still: "halted", at_rest: null, alive: "halted", a_print: "halted", reached: null,
} as const;
const NOT_KNOWN = {
  still: "not_known", at_rest: "not_known", alive: "not_known", a_print: "not_known",
  reached: null,
} as const;
const TABLE: Readonly<Record<Activity, Record<Exclude<Need, "stop">, Denial | null>>> = {
  idle: STANDS,
  busy: WORKS,
  ours: RUNS,
  foreign: RUNS,
  paused: RUNS,
  halted: HALTED,
  unknown: NOT_KNOWN,
};

/** Why an order with this need would be refused now; null: it would be sent. */
export function denial(need: Need, now: Moment | undefined): Denial | null {
  if (now === undefined) return "not_online";
  if (need === "stop") return ["online", "syncing"].includes(now.link) ? null : "not_online";
  if (now.link !== "online") return "not_online";
  const found = TABLE[now.activity][need];
  // A print of the farm's holds the machine before it starts, and after its end.
  const free = need === "still" || need === "at_rest";
  if (found === null && free && now.print_id !== null) return "reserved";
  return found;
}

/** °C that are not passed where the printer's model does not say what it bears. */
const USUAL = { nozzle: 300, bed: 120, chamber: 80 } as const;

/** The highest target in °C that a heater of this model may be given. */
export function limitOf(
  heater: string,
  model: { max_nozzle_c?: number | null; max_bed_c?: number | null },
): number {
  if (heater === "bed") return model.max_bed_c ?? USUAL.bed;
  if (heater === "chamber") return USUAL.chamber;
  return model.max_nozzle_c ?? USUAL.nozzle;
}
