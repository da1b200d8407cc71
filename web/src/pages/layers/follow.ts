// How far a running print is in its file, from the share of the file that its printer tells.
import { lastUpTo } from "@/ui/lookup";
import type { Layer } from "@/viewer/toolpath";

export interface Position {
  layer: number;
  /** How much of the layer is done, 0–1. */
  until: number;
}

/** Where in its layers a file is at this byte; null where nothing was read yet. */
export function positionAt(layers: readonly Layer[], byte: number, size: number): Position | null {
  if (!layers.length) return null;
  const layer = Math.max(
    0,
    lastUpTo(layers.length, (at) => layers[at]?.byte ?? 0, byte),
  );
  const from = layers[layer]?.byte ?? 0;
  const to = layers[layer + 1]?.byte ?? size;
  const share = to > from ? (byte - from) / (to - from) : 1;
  return { layer, until: Math.max(0, Math.min(1, share)) };
}
