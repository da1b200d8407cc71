// What one or two fingers (or a mouse) on the picture mean: how far they went, how far apart.
export interface Finger {
  x: number;
  y: number;
}

/** The way of their middle in pixels, and how many times farther apart they are than before. */
export function moveOf(
  before: readonly Finger[],
  after: readonly Finger[],
): { dx: number; dy: number; times: number } {
  const [from, to] = [middle(before), middle(after)];
  const apart = spread(before);
  const times = apart > 0 ? spread(after) / apart : 1;
  return { dx: to.x - from.x, dy: to.y - from.y, times: times > 0 ? times : 1 };
}

function middle(fingers: readonly Finger[]): Finger {
  const count = Math.max(1, fingers.length);
  const mean = (of: (one: Finger) => number): number =>
    fingers.reduce((sum, one) => sum + of(one), 0) / count;
  return { x: mean((one) => one.x), y: mean((one) => one.y) };
}

function spread(fingers: readonly Finger[]): number {
  const [one, other] = fingers;
  return one && other ? Math.hypot(one.x - other.x, one.y - other.y) : 0;
}
