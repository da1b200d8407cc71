// The five tones of a state, and which one a printer's state has.
import {
  BedSingle,
  CircleCheck,
  CirclePause,
  CircleHelp,
  CirclePlay,
  CloudOff,
  Hourglass,
  KeyRound,
  Loader,
  OctagonAlert,
  Power,
  TriangleAlert,
  UserRound,
  Wrench,
} from "@lucide/vue";
import type { Component } from "vue";

import type { LivePrinter } from "@/live/frames";

export type Tone = "active" | "done" | "attention" | "error" | "neutral";
export type Edge = "solid" | "dashed" | "hatched";
export interface Look {
  tone: Tone;
  icon: Component;
  edge: Edge;
}

/** What a person is told of a printer: one word each, in `state.json`. */
export type PrinterState =
  | "needs_attention"
  | "halted"
  | "auth_required"
  | "offline"
  | "disabled"
  | "maintenance"
  | "connecting"
  | "printing"
  | "preparing"
  | "finishing"
  | "paused"
  | "foreign"
  | "busy"
  | "bed_occupied"
  | "bed_unknown"
  | "unknown"
  | "ready";

export const LOOKS: Readonly<Record<PrinterState, Look>> = {
  needs_attention: { tone: "attention", icon: TriangleAlert, edge: "solid" },
  halted: { tone: "error", icon: OctagonAlert, edge: "solid" },
  auth_required: { tone: "error", icon: KeyRound, edge: "solid" },
  offline: { tone: "neutral", icon: CloudOff, edge: "dashed" },
  disabled: { tone: "neutral", icon: Power, edge: "dashed" },
  maintenance: { tone: "neutral", icon: Wrench, edge: "hatched" },
  connecting: { tone: "neutral", icon: Loader, edge: "dashed" },
  printing: { tone: "active", icon: CirclePlay, edge: "solid" },
  preparing: { tone: "active", icon: Hourglass, edge: "solid" },
  finishing: { tone: "active", icon: Hourglass, edge: "solid" },
  paused: { tone: "attention", icon: CirclePause, edge: "solid" },
  foreign: { tone: "active", icon: UserRound, edge: "solid" },
  busy: { tone: "active", icon: Loader, edge: "solid" },
  bed_occupied: { tone: "attention", icon: BedSingle, edge: "solid" },
  bed_unknown: { tone: "attention", icon: BedSingle, edge: "solid" },
  unknown: { tone: "neutral", icon: CircleHelp, edge: "dashed" },
  ready: { tone: "neutral", icon: CircleCheck, edge: "solid" },
};

type Told = Pick<
  LivePrinter,
  | "link" | "activity" | "powered" | "bed" | "enabled" | "maintenance" | "needs_attention"
  | "print_id"
>;

const LINKS: Partial<Record<LivePrinter["link"], PrinterState>> = {
  offline: "offline",
  auth_required: "auth_required",
  disabled: "disabled",
  connecting: "connecting",
  syncing: "connecting",
};
const ACTIVITIES: Partial<Record<LivePrinter["activity"], PrinterState>> = {
  halted: "halted",
  ours: "printing",
  paused: "paused",
  foreign: "foreign",
  busy: "busy",
  unknown: "unknown",
};

/** The one word for a printer: what keeps a person from using it goes before what it does. */
export function stateOf(printer: Told): PrinterState {
  if (printer.needs_attention) return "needs_attention";
  if (!printer.enabled) return "disabled";
  const link = LINKS[printer.link];
  if (link !== undefined) return link;
  // Its host answers, and the machine cannot: that is no fault of it.
  if (printer.powered === false) return "offline";
  const activity = ACTIVITIES[printer.activity];
  if (activity !== undefined) return activity;
  // A print of ours has it, and the machine rests: before its start, or after its end.
  if (printer.print_id !== null) return printer.bed === "clear" ? "preparing" : "finishing";
  if (printer.maintenance) return "maintenance";
  if (printer.bed === "occupied") return "bed_occupied";
  if (printer.bed === "unknown") return "bed_unknown";
  return "ready";
}
