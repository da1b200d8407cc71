// What slicers say in comments about the lines that follow: a layer begins, its height, a kind.
export type Style = "layer_change" | "change_layer" | "numbered" | "simplify3d" | "kisslicer";

/** What a comment says; nothing of interest is null. */
export type Remark =
  | { says: "layer"; style: Style; z: number | null }
  | { says: "height"; z: number }
  | { says: "kind"; word: string };

const LAYERS: readonly (readonly [Style, RegExp])[] = [
  ["layer_change", /^LAYER_CHANGE\s*$/], // PrusaSlicer, SuperSlicer, OrcaSlicer
  ["change_layer", /^CHANGE_LAYER\s*$/], // BambuStudio, and OrcaSlicer for Bambu's printers
  ["numbered", /^LAYER:\s*-?\d+\s*$/], // Cura, ideaMaker
  ["simplify3d", /^layer \d+, Z = ([\d.]+)/],
  ["kisslicer", /^BEGIN_LAYER_\w+ z=([\d.]+)/],
];
const HEIGHT = /^(?:Z|Z_HEIGHT):\s*([\d.]+)\s*$/;
const KIND = /^(?:TYPE:|FEATURE: |feature |')([^',]*)/;
/** Older Simplify3D names the kind and nothing else. */
const BARE = /^((?:outer|inner) perimeter|infill|solid layer|gap fill|support|skirt|raft)\s*$/;

/** Read a comment, given without its semicolon. */
export function remarkOf(comment: string): Remark | null {
  const text = comment.trimStart();
  for (const [style, pattern] of LAYERS) {
    const found = pattern.exec(text);
    if (found) return { says: "layer", style, z: found[1] ? numberOf(found[1]) : null };
  }
  const height = HEIGHT.exec(text)?.[1];
  if (height) {
    const z = numberOf(height);
    return z === null ? null : { says: "height", z };
  }
  const word = KIND.exec(text)?.[1] ?? BARE.exec(text)?.[1];
  return word === undefined ? null : { says: "kind", word };
}

function numberOf(text: string): number | null {
  const value = Number(text);
  return Number.isFinite(value) ? value : null;
}
