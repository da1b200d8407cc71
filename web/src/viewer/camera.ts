// Where one looks from, and how that changes by a drag, a pinch, a wheel or a key.
import { axesOf } from "./matrix";
import type { Camera, Mode } from "./messages";
import type { Box } from "./toolpath";

/** Room around what is shown. */
const MARGIN = 1.1;
const NEAREST_MM = 1;
const FARTHEST_MM = 5000;
const FRONT_LEFT = -0.6;
const FROM_ABOVE = 0.6;
const STRAIGHT_DOWN = Math.PI / 2 - 0.01;

interface Place {
  width: number;
  height: number;
}

/** All of the box, in a picture of these sides. */
export function whole(mode: Mode, box: Box, { width, height }: Place): Camera {
  const { low, high } = box;
  if (!(high[0] >= low[0])) return { x: 100, y: 100, z: 0, span: 220, turn: 0, tilt: FROM_ABOVE };
  const [x, y, z] = [0, 1, 2].map((axis) => ((low[axis] ?? 0) + (high[axis] ?? 0)) / 2);
  const sides = [high[0] - low[0], high[1] - low[1], high[2] - Math.min(0, low[2])];
  const smaller = Math.min(width, height);
  const [across = 0, deep = 0] = sides;
  const span =
    mode === "flat"
      ? Math.max((across * smaller) / width, (deep * smaller) / height)
      : Math.hypot(...sides);
  const limited = limit(span * MARGIN);
  return { x: x ?? 0, y: y ?? 0, z: z ?? 0, span: limited, turn: FRONT_LEFT, tilt: FROM_ABOVE };
}

export function zoomed(camera: Camera, times: number): Camera {
  return { ...camera, span: limit(camera.span / times) };
}

/** Zoom in flat, so that what is at this place (pixels from the middle) stays there. */
export function zoomedAt(
  camera: Camera,
  times: number,
  dx: number,
  dy: number,
  side: Place,
): Camera {
  const after = zoomed(camera, times);
  const unit = (camera.span - after.span) / Math.min(side.width, side.height);
  return { ...after, x: after.x + dx * unit, y: after.y - dy * unit };
}

/** What is shown follows a finger that goes so many pixels. */
export function dragged(mode: Mode, camera: Camera, dx: number, dy: number, side: Place): Camera {
  const unit = camera.span / Math.min(side.width, side.height);
  if (mode === "flat") return { ...camera, x: camera.x - dx * unit, y: camera.y + dy * unit };
  const { right, up } = axesOf(camera);
  const by = (axis: 0 | 1 | 2): number => (-dx * right[axis] + dy * up[axis]) * unit;
  return { ...camera, x: camera.x + by(0), y: camera.y + by(1), z: camera.z + by(2) };
}

/** Look from elsewhere; angles in radians. */
export function turned(camera: Camera, turn: number, tilt: number): Camera {
  const tilted = Math.max(-STRAIGHT_DOWN, Math.min(STRAIGHT_DOWN, camera.tilt + tilt));
  return { ...camera, turn: (camera.turn + turn) % (2 * Math.PI), tilt: tilted };
}

function limit(span: number): number {
  return Math.max(NEAREST_MM, Math.min(FARTHEST_MM, span));
}
