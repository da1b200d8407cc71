// What a line of plastic is for: the eight kinds that are told apart, and slicers' words for them.
export const KINDS = [
  "outer",
  "inner",
  "solid",
  "infill",
  "bridge",
  "support",
  "skirt",
  "other",
] as const;
export type Kind = (typeof KINDS)[number];

/** What leads to a point: nothing, a kind of line (its place in KINDS and 1 more), or a travel. */
export const NOTHING = 0;
export const OTHER = KINDS.length;
export const TRAVEL = KINDS.length + 1;

/** In this order: the first that fits decides, as in "Internal bridge infill". */
const WORDS: readonly (readonly [Kind, RegExp])[] = [
  ["bridge", /bridge|overhang/],
  ["support", /support/],
  ["skirt", /skirt|brim|raft|tower|prime|purge|wipe/],
  ["outer", /outer|external/],
  ["solid", /solid|top|bottom|skin|surface|iron|gap/],
  ["inner", /perimeter|inner|wall|loop/],
  ["infill", /fill|sparse/],
];
/** KISSlicer calls the outermost wall a perimeter, and those inside loops. */
const OUTERMOST = "perimeter path";

/** The kind that a slicer's word names, as it stands with points. */
export function kindOf(word: string): number {
  const text = word.trim().toLowerCase();
  if (text === OUTERMOST) return placeOf("outer");
  return placeOf(WORDS.find(([, pattern]) => pattern.test(text))?.[0] ?? "other");
}

/** How a kind stands with points. */
export function placeOf(kind: Kind): number {
  return KINDS.indexOf(kind) + 1;
}
