// What a file prints with: one entry a tool that uses filament.
import type { components } from "@/api/schema";

export type FileOut = components["schemas"]["FileOut"];
export interface Material {
  tool: number;
  type: string | null;
  grams: number | null;
}

/** The tools that extrude; tools that a slicer names and does not use are left out. */
export function materialsOf(file: Pick<FileOut, "analysis">): Material[] {
  const tools = file.analysis?.tools ?? [];
  const used = tools.filter((one) => one.filament_mm !== 0 && one.filament_g !== 0);
  return used.map((one) => ({
    tool: one.tool,
    type: one.filament_type,
    grams: one.filament_g ?? (used.length === 1 ? (file.analysis?.filament_g ?? null) : null),
  }));
}
