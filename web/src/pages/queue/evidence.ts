// What is known, and what is not, of a print that only a person can judge: each as a key of a text.
import type { components } from "@/api/schema";

export type Print = components["schemas"]["PrintOut"];

export interface Told {
  known: string[];
  unknown: string[];
}

const RUNS: ReadonlySet<unknown> = new Set(["running", "paused", "stopping", "none"]);
const ENDINGS: ReadonlySet<unknown> = new Set(["completed", "failed"]);

/** The evidence in plain words; a part that this page does not know is left out, never guessed. */
export function toldBy(print: Pick<Print, "evidence" | "started_at">, reachable: boolean): Told {
  const evidence = print.evidence ?? {};
  const known: string[] = [];
  const unknown: string[] = [];
  const say = (list: string[], key: string): void => void list.push(`queue.resolve.${key}`);
  if (print.started_at === null) say(known, "never_seen");
  if (RUNS.has(evidence["run"])) say(known, `run.${String(evidence["run"])}`);
  if (ENDINGS.has(evidence["ending"])) {
    say(known, `ending.${String(evidence["ending"])}`);
    if (evidence["began_since"] === false) say(unknown, "old_record");
  } else say(unknown, "no_ending");
  if (evidence["silent"] === true) say(known, "silent");
  if (evidence["others_ran"] === false) say(known, "no_others");
  else say(unknown, "others");
  if (!reachable) say(unknown, "unreachable");
  return { known, unknown };
}

/** What the server adds in its own words: a doubt, a problem of the connection, its reason. */
export function notesOf(print: Pick<Print, "evidence" | "reason">): string[] {
  const { doubt, problem } = print.evidence ?? {};
  const notes = [print.reason, doubt, problem].filter(
    (one): one is string => typeof one === "string" && one !== "",
  );
  return [...new Set(notes)];
}
