// Temperatures over time as a chart and a table show them: one curve for each heater.
import type { LivePrinter } from "@/live/frames";
import { heatersOf, type Heater } from "@/pages/farm/heaters";

export interface Sample {
  /** Seconds since 1970, by the server's clock. */
  at: number;
  temperatures: LivePrinter["temperatures"];
}

export interface Curve {
  name: string;
  known: Heater["known"];
  /** In °C; null where it was not known. */
  actual: (number | null)[];
  /** In °C; null where it was off or not known. */
  target: (number | null)[];
}

export interface Curves {
  at: number[];
  curves: Curve[];
}

/** After so long without a word (s) a curve has a gap: nobody knows what was between. */
export const SILENCE_S = 120;
/** Live points that are nearer to each other than this (s) are one. */
const NEAR_S = 1;
/** A chart has no place for more points than these. */
const MOST_POINTS = 3600;

/** A chart of `span_s` seconds shows one written reading in so many (s); 0: all there are. */
export function everyOf(span_s: number): number {
  return span_s > MOST_POINTS ? span_s / MOST_POINTS : 0;
}

/** Add what is told live: the newest word of each second, or of more than one in a long span. */
export function withLive(samples: readonly Sample[], live: Sample, keep_s: number): Sample[] {
  const near = Math.max(NEAR_S, keep_s / MOST_POINTS);
  const part = Math.floor(live.at / near);
  const first = live.at - keep_s;
  const kept = samples.filter((one) => one.at >= first && Math.floor(one.at / near) < part);
  return [...kept, live];
}

function rows(samples: readonly Sample[]): (Sample | { at: number; temperatures: null })[] {
  return samples.flatMap((one, index) => {
    const before = samples[index - 1];
    if (before === undefined || one.at - before.at <= SILENCE_S) return [one];
    return [{ at: before.at + 1, temperatures: null }, one];
  });
}

/** The curves of samples that are in the order of time. */
export function curvesOf(samples: readonly Sample[]): Curves {
  const all = Object.assign({}, ...samples.map((one) => one.temperatures));
  const told = rows(samples);
  const curves = heatersOf(all).map(({ name, known }) => ({
    name,
    known,
    actual: told.map((row) => row.temperatures?.[name]?.actual ?? null),
    target: told.map((row) => row.temperatures?.[name]?.target || null),
  }));
  return { at: told.map((row) => row.at), curves };
}

/** At most so many samples, evenly chosen, the newest first: for a table that a person reads. */
export function thinned(samples: readonly Sample[], most: number): Sample[] {
  const step = Math.max(1, Math.ceil(samples.length / most));
  return samples.filter((_, index) => (samples.length - 1 - index) % step === 0).reverse();
}
