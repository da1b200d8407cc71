// How the ends of prints look: an icon and a tone each; their words are in `history.json`.
import { Ban, CircleCheck, CircleSlash, OctagonAlert } from "@lucide/vue";
import type { Component } from "vue";

import type { Tone } from "@/ui/states";

import type { EndState } from "./filters";

export const LOOKS: Readonly<Record<EndState, { tone: Tone; icon: Component }>> = {
  completed: { tone: "done", icon: CircleCheck },
  failed: { tone: "error", icon: OctagonAlert },
  cancelled: { tone: "neutral", icon: Ban },
  not_started: { tone: "neutral", icon: CircleSlash },
};
