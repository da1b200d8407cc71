// What of a console is shown, and what was typed into it before.
import type { Line } from "../controls/feed";

/** A report of temperatures alone, in the dialects of Marlin, Repetier, Klipper and their like. */
const REPORT = /^(?:ok\s+)?(?:N\d+\s+)?(?:P\d+\s+)?(?:B\d+\s+)?[TBC]\d*:\s*-?\d/i;
/** Who asks for them, once a second or so. */
const ASKING = /^(?:N\d+\s+)?M105\b/i;

export function isReport(line: Pick<Line, "text" | "speaker" | "error">): boolean {
  if (line.error) return false;
  return (line.speaker === "sent" ? ASKING : REPORT).test(line.text.trim());
}

/** So many lines are remembered that were typed, the last one last. */
export const KEPT_TYPED = 50;

/** The lines that were typed with one more; the same twice in a row is one. */
export function withTyped(typed: readonly string[], line: string): readonly string[] {
  if (typed.at(-1) === line) return typed;
  return [...typed, line].slice(-KEPT_TYPED);
}

export interface Suggestion {
  command: string;
  help: string;
}
export const MOST_SUGGESTIONS = 5;

/** The known commands that begin with what is typed, or else have it in them. */
export function suggested(all: readonly Suggestion[], typed: string): readonly Suggestion[] {
  const begun = typed.trim().toUpperCase();
  if (!begun) return [];
  const has = all.filter(({ command }) => command.toUpperCase() !== begun);
  const begins = has.filter(({ command }) => command.toUpperCase().startsWith(begun));
  const within = has.filter(
    ({ command }) =>
      command.toUpperCase().includes(begun) && !command.toUpperCase().startsWith(begun),
  );
  return [...begins, ...within].slice(0, MOST_SUGGESTIONS);
}
