// What the page and its worker say to each other.
import type { Problem } from "@/api/problem";

import type { Box, Layer } from "./toolpath";

export type Mode = "flat" | "space";

/** Where one looks from, in mm and radians; `span` is what the smaller side shows. */
export interface Camera {
  x: number;
  y: number;
  z: number;
  span: number;
  /** Around the vertical, and up from the horizon: in space only. */
  turn: number;
  tilt: number;
}

/** Colours as "#rrggbb" or "#rgb": of each way to reach a point, by its number. */
export interface Colours {
  ground: string;
  grid: string;
  faint: string;
  kinds: readonly string[];
}

/** All that decides what the picture looks like. */
export interface Look {
  layer: number;
  /** How much of the layer is drawn in full, 0–1; the rest of it is faint. */
  until: number;
  /** Whether each way to reach a point is shown, by its number. */
  shown: readonly boolean[];
  camera: Camera;
  colours: Colours;
}

export type ToWorker =
  | { type: "open"; url: string }
  | { type: "stage"; mode: Mode; canvas: OffscreenCanvas; ratio: number }
  | { type: "size"; width: number; height: number; ratio: number }
  | { type: "leave" }
  | { type: "look"; look: Look };

/** Why there is no more of the file: an answer of the server, or what is in the file. */
export type Trouble =
  | { kind: "answer"; status: number; told: Partial<Pick<Problem, "code" | "hint">> & Told }
  | { kind: "lost" }
  | { kind: "nothing" }
  | { kind: "full" }
  /** A mistake of ours, or too little memory for the file. */
  | { kind: "broken" };
interface Told {
  detail?: string;
}

export interface Read {
  type: "read";
  bytes: number;
  /** The file's size, in bytes; null where the server does not say. */
  size: number | null;
  /** Layers `from` and later, as they are by now. */
  from: number;
  layers: Layer[];
  box: Box;
  /** There is no more to come; `whole`: and this is all that the file has. */
  ended: boolean;
  whole: boolean;
}

export type FromWorker =
  | Read
  | { type: "trouble"; trouble: Trouble }
  /** The picture shows this layer; `whole` where nothing of it is left out for speed. */
  | { type: "drawn"; layer: number; whole: boolean }
  | { type: "no_space"; why: "missing" | "lost" };
