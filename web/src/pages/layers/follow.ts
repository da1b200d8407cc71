// How far a running print is in its file, from the share of the file that its printer tells.
import type { Layer } from "@/viewer/toolpath";

export interface Position {
  layer: number;
  /** How much of the layer is done, 0–1. */
  until: number;
}

/** Where in its layers a file is at this byte; null where nothing was read yet. */
export function positionAt(layers: readonly Layer[], byte: number, size: number): Position | null {
  if (!layers.length) return null;
  let [low, high] = [0, layers.length - 1];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if ((layers[middle]?.byte ?? 0) <= byte) low = middle;
    else high = middle - 1;
  }
  const from = layers[low]?.byte ?? 0;
  const to = layers[low + 1]?.byte ?? size;
  const share = to > from ? (byte - from) / (to - from) : 1;
  return { layer: low, until: Math.max(0, Math.min(1, share)) };
}
