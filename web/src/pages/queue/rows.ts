// The queue as people read it: a row for each job, at the place of its next print.
import type { QueueItem } from "@/live/frames";

export interface QueueRow {
  jobId: string;
  priority: QueueItem["priority"];
  /** The print that comes first. */
  next: QueueItem;
  /** All its prints that wait, as far as they are known here. */
  prints: readonly QueueItem[];
}

/** The rows in the order of the plan. */
export function rowsOf(items: readonly QueueItem[]): QueueRow[] {
  const prints = new Map<string, QueueItem[]>();
  for (const item of items) {
    const known = prints.get(item.job_id);
    if (known) known.push(item);
    else prints.set(item.job_id, [item]);
  }
  return [...prints].flatMap(([jobId, of]) => {
    const next = of[0];
    return next ? [{ jobId, priority: next.priority, next, prints: of }] : [];
  });
}

/** One call of the API: this job goes ahead of that one. */
export interface Move {
  job: string;
  before: string;
}

/** The jobs among which a job can be moved: those of its priority, in order. */
export function peersOf(rows: readonly QueueRow[], jobId: string): string[] {
  const priority = rows.find((row) => row.jobId === jobId)?.priority;
  return rows.filter((row) => row.priority === priority).map((row) => row.jobId);
}

/** The calls that bring a job back to where it stood when the rows were these. */
export function movesBack(rows: readonly QueueRow[], jobId: string): Move[] {
  const peers = peersOf(rows, jobId);
  const at = peers.indexOf(jobId);
  const [last, follower] = [peers[at - 1], peers[at + 1]];
  if (follower !== undefined) return [{ job: jobId, before: follower }];
  return last === undefined ? [] : behind(jobId, last);
}

/** There is no "behind": ahead of the last one, and then the last one ahead of it. */
function behind(jobId: string, last: string): Move[] {
  return [
    { job: jobId, before: last },
    { job: last, before: jobId },
  ];
}

/** The calls that bring a job to a place (from 0) among its peers; none where it is there. */
export function movesTo(rows: readonly QueueRow[], jobId: string, place: number): Move[] {
  const peers = peersOf(rows, jobId);
  if (peers.indexOf(jobId) === place) return [];
  const others = peers.filter((one) => one !== jobId);
  const before = others[place];
  if (place >= 0 && before !== undefined) return [{ job: jobId, before }];
  const last = others.at(-1);
  if (place < others.length || last === undefined) return [];
  return behind(jobId, last);
}

/** Those that a job goes ahead of when it is dropped on this peer, in order; none at the end. */
export function followersAt(rows: readonly QueueRow[], jobId: string, onto: string): string[] {
  const peers = peersOf(rows, jobId);
  return peers.filter((one) => one !== jobId).slice(peers.indexOf(onto));
}

/** The place ahead of the first of these that is still there; without one, that at the end. */
export function placeAhead(
  rows: readonly QueueRow[],
  jobId: string,
  followers: readonly string[],
): number {
  const others = peersOf(rows, jobId).filter((one) => one !== jobId);
  const next = followers.find((one) => others.includes(one));
  return next === undefined ? others.length : others.indexOf(next);
}

/**
 * The place one further up (-1) or down (1) among the peers; null at the end. `from`: where it is
 * to be by then, where that is not where it is.
 */
export function placeBeside(
  rows: readonly QueueRow[],
  jobId: string,
  step: -1 | 1,
  from?: number,
): number | null {
  const peers = peersOf(rows, jobId);
  const place = (from ?? peers.indexOf(jobId)) + step;
  return place < 0 || place >= peers.length ? null : place;
}

/** Reasons why a printer is the wrong one; behind them stands that the right ones are not free. */
const WRONG_PRINTER: ReadonlySet<string> = new Set([
  "too_small",
  "nozzle_mismatch",
  "model_mismatch",
  "tag_mismatch",
  "group_mismatch",
  "printer_not_listed",
  "temperature_limit",
  "not_capable",
]);

type Count = QueueItem["waiting_summary"][number];

/**
 * The reason to tell of several, and at how many printers it stands: that of the printers which
 * could take the print at all before that of the wrong ones. Null where nothing is known.
 */
export function mainReason(item: Pick<QueueItem, "waiting_summary">): Count | null {
  const wrong = (one: Count): number => Number(WRONG_PRINTER.has(one.code));
  const found = [...item.waiting_summary];
  found.sort((a, b) => wrong(a) - wrong(b) || b.count - a.count);
  return found[0] ?? null;
}
