// The colours of the picture, from the tokens: as the worker takes them.
import { KINDS } from "@/viewer/kinds";
import type { Colours } from "@/viewer/messages";

/** The colours of the theme that is shown now. */
export function coloursOf(): Colours {
  const style = getComputedStyle(document.documentElement);
  const of = (name: string): string => style.getPropertyValue(name).trim() || "#808080";
  const kinds = KINDS.map((kind) => of(`--line-${kind}`));
  return {
    ground: of("--surface"),
    grid: of("--border"),
    faint: of("--line-faint"),
    // By their number with points: nothing, the kinds, travel.
    kinds: [of("--surface"), ...kinds, of("--line-travel")],
  };
}
