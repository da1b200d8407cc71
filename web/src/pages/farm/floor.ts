// Where printers stand on a floor's plan: millimetres, from its left and its top.
import type { components } from "@/api/schema";

export type Floor = components["schemas"]["FloorOut"];
export type Place = components["schemas"]["FloorPositionBody"];

/** A drag comes to rest on this grid; a press of an arrow key moves by it; with Shift, finely. */
export const GRID_MM = 100;
export const FINE_MM = 10;
const QUARTER = 90;
const MARGIN_MM = 500;
const APART_MM = 800;

type Size = Pick<Floor, "width_mm" | "depth_mm">;

function between(value: number, most: number): number {
  return Math.min(Math.max(0, value), most);
}

/** The nearest place on the floor. */
export function onFloor(place: Place, floor: Size): Place {
  return { ...place, x: between(place.x, floor.width_mm), y: between(place.y, floor.depth_mm) };
}

/** The place under a pointer: `share` of the plan's width and height. */
export function placeAt(
  share: { x: number; y: number },
  place: Place,
  floor: Size,
): Place {
  const rest = (mm: number): number => Math.round(mm / GRID_MM) * GRID_MM;
  const [x, y] = [rest(share.x * floor.width_mm), rest(share.y * floor.depth_mm)];
  return onFloor({ ...place, x, y }, floor);
}

/** Where a key moves a printer; null where the key moves nothing. */
export function movedBy(
  key: string,
  fine: boolean,
  place: Place,
  floor: Size,
): Place | null {
  const step = fine ? FINE_MM : GRID_MM;
  switch (key) {
    case "ArrowLeft":
      return onFloor({ ...place, x: place.x - step }, floor);
    case "ArrowRight":
      return onFloor({ ...place, x: place.x + step }, floor);
    case "ArrowUp":
      return onFloor({ ...place, y: place.y - step }, floor);
    case "ArrowDown":
      return onFloor({ ...place, y: place.y + step }, floor);
    case "r":
    case "R":
      return { ...place, rotation: (place.rotation + QUARTER) % 360 };
    default:
      return null;
  }
}

/** A place for one more printer where none stands yet; the middle where all are taken. */
export function freePlace(floor: Floor, taken: readonly Place[]): Place {
  for (let y = MARGIN_MM; y <= floor.depth_mm; y += APART_MM) {
    for (let x = MARGIN_MM; x <= floor.width_mm; x += APART_MM) {
      const near = (one: Place) =>
        Math.abs(one.x - x) < APART_MM && Math.abs(one.y - y) < APART_MM;
      if (!taken.some(near)) return { floor: floor.id, x, y, rotation: 0 };
    }
  }
  return { floor: floor.id, x: floor.width_mm / 2, y: floor.depth_mm / 2, rotation: 0 };
}
