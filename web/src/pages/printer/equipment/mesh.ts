// A measured bed in numbers: how uneven it is, and where it is highest and lowest.
import type { components } from "@/api/schema";

export type Mesh = components["schemas"]["MeshOut"];

export interface Spot {
  /** mm on the bed. */
  x: number;
  y: number;
  height: number;
}
export interface Shape {
  highest: Spot;
  lowest: Spot;
  /** mm between them. */
  range: number;
}

/** Where the point of this row and column lies, in mm. */
export function placeOf(mesh: Mesh, row: number, column: number): { x: number; y: number } {
  const rows = mesh.heights.length;
  const columns = mesh.heights[row]?.length ?? 1;
  const [left = 0, front = 0] = mesh.least;
  const [right = 0, back = 0] = mesh.most;
  const part = (at: number, count: number): number => (count > 1 ? at / (count - 1) : 0);
  return {
    x: left + (right - left) * part(column, columns),
    y: front + (back - front) * part(row, rows),
  };
}

/** Null where nothing was measured. */
export function shapeOf(mesh: Mesh): Shape | null {
  const spots = mesh.heights.flatMap((row, at) =>
    row.map((height, column) => ({ ...placeOf(mesh, at, column), height })),
  );
  const [first] = spots;
  if (first === undefined) return null;
  const highest = spots.reduce((a, b) => (b.height > a.height ? b : a), first);
  const lowest = spots.reduce((a, b) => (b.height < a.height ? b : a), first);
  return { highest, lowest, range: highest.height - lowest.height };
}
