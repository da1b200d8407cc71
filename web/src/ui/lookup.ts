// Looking things up in lists that are in order.

/** The last of `count` places whose value is not beyond `wanted`; -1 where each is beyond it. */
export function lastUpTo(
  count: number,
  valueAt: (place: number) => number,
  wanted: number,
): number {
  let [low, high] = [-1, count - 1];
  while (low < high) {
    const middle = high - Math.floor((high - low) / 2);
    if (valueAt(middle) <= wanted) low = middle;
    else high = middle - 1;
  }
  return low;
}
