// How the states of jobs and prints look: an icon and one of the five tones; the words are texts.
import {
  Ban,
  CircleCheck,
  CirclePause,
  CirclePlay,
  Hourglass,
  OctagonX,
  TriangleAlert,
} from "@lucide/vue";
import type { Component } from "vue";

import type { LiveJob } from "@/live/frames";
import type { Tone } from "@/ui/states";

import type { Print } from "./evidence";

export interface Mark {
  tone: Tone;
  icon: Component;
}

export const JOB_MARKS: Readonly<Record<LiveJob["state"], Mark>> = {
  queued: { tone: "neutral", icon: Hourglass },
  active: { tone: "active", icon: CirclePlay },
  completed: { tone: "done", icon: CircleCheck },
  failed: { tone: "error", icon: OctagonX },
  cancelled: { tone: "neutral", icon: Ban },
};

export const PRINT_MARKS: Readonly<Record<Print["state"], Mark>> = {
  queued: { tone: "neutral", icon: Hourglass },
  claimed: { tone: "active", icon: Hourglass },
  transferring: { tone: "active", icon: Hourglass },
  starting: { tone: "active", icon: Hourglass },
  printing: { tone: "active", icon: CirclePlay },
  paused: { tone: "attention", icon: CirclePause },
  cancelling: { tone: "attention", icon: Ban },
  needs_attention: { tone: "attention", icon: TriangleAlert },
  completed: { tone: "done", icon: CircleCheck },
  failed: { tone: "error", icon: OctagonX },
  cancelled: { tone: "neutral", icon: Ban },
  not_started: { tone: "neutral", icon: Ban },
};
