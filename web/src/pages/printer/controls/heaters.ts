// The heaters that can be set, and what they are preheated to.
import { limitOf } from "./needs";

const SETTABLE = /^(tool\d{1,2}|bed|chamber)$/;

/** Those of these heaters that take a target, nozzles first. */
export function settable(names: readonly string[]): string[] {
  const place = (name: string): number => ["bed", "chamber"].indexOf(name);
  return names
    .filter((name) => SETTABLE.test(name))
    .sort((a, b) => place(a) - place(b) || a.localeCompare(b, "en", { numeric: true }));
}

export interface Preset {
  /** Its trade name, the same in every language. */
  material: string;
  nozzle: number;
  bed: number;
}
/** °C as makers of filament commonly give them. */
export const PRESETS: readonly Preset[] = [
  { material: "PLA", nozzle: 210, bed: 60 },
  { material: "PETG", nozzle: 240, bed: 80 },
  { material: "ABS", nozzle: 245, bed: 100 },
];

export interface Target {
  heater: string;
  target: number;
}

/** What a preset sets on these heaters: the first nozzle and the bed. */
export function targetsOf(preset: Preset, heaters: readonly string[]): Target[] {
  const wanted: Record<string, number> = { tool0: preset.nozzle, bed: preset.bed };
  return heaters.flatMap((heater) => {
    const target = wanted[heater];
    return target === undefined ? [] : [{ heater, target }];
  });
}

/** Whether none of these is hotter than the printer's model bears. */
export function bears(model: Parameters<typeof limitOf>[1], targets: readonly Target[]): boolean {
  return targets.every(({ heater, target }) => target <= limitOf(heater, model));
}
