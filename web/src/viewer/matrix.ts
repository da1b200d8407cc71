// The few matrices that a picture in space needs; 4 × 4, by columns, as WebGL takes them.
import type { Camera } from "./messages";
import type { Grid } from "./vertices";

export type Matrix = Float32Array;
type Vector = [number, number, number];

/** Half the angle of view, in radians. */
const HALF_VIEW = 0.3;
/** How much farther than its middle the picture reaches, in mm. */
const BEYOND_MM = 1500;

/** Where the camera's right, up and back point, for its turn and tilt. */
export function axesOf(camera: Camera): { right: Vector; up: Vector; back: Vector } {
  const [sinTurn, cosTurn] = [Math.sin(camera.turn), Math.cos(camera.turn)];
  const [sinTilt, cosTilt] = [Math.sin(camera.tilt), Math.cos(camera.tilt)];
  return {
    right: [cosTurn, sinTurn, 0],
    up: [-sinTilt * sinTurn, sinTilt * cosTurn, cosTilt],
    back: [cosTilt * sinTurn, -cosTilt * cosTurn, sinTilt],
  };
}

/** From the grid of the vertices to the picture. */
export function viewOf(camera: Camera, grid: Grid, width: number, height: number): Matrix {
  const distance = camera.span / 2 / Math.tan(HALF_VIEW);
  const { right, up, back } = axesOf(camera);
  const looksAt: Vector = [camera.x, camera.y, camera.z];
  const rows: [Vector, number][] = [
    [right, -dot(right, looksAt)],
    [up, -dot(up, looksAt)],
    [back, -dot(back, looksAt) - distance],
  ];
  const turned = new Float32Array(16);
  rows.forEach(([axis, moved], row) => {
    axis.forEach((value, column) => (turned[column * 4 + row] = value * grid.step));
    turned[12 + row] = moved + dot(axis, grid.middle);
  });
  turned[15] = 1;
  return times(perspective(distance, width, height), turned);
}

function perspective(distance: number, width: number, height: number): Matrix {
  const zoom = 1 / Math.tan(HALF_VIEW);
  const smaller = Math.min(width, height);
  const [near, far] = [distance / 50, distance * 3 + BEYOND_MM];
  const matrix = new Float32Array(16);
  matrix[0] = (zoom * smaller) / width;
  matrix[5] = (zoom * smaller) / height;
  matrix[10] = (far + near) / (near - far);
  matrix[11] = -1;
  matrix[14] = (2 * far * near) / (near - far);
  return matrix;
}

function dot(a: Vector, b: Vector): number {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

export function times(a: Matrix, b: Matrix): Matrix {
  const product = new Float32Array(16);
  for (let column = 0; column < 4; column += 1) {
    for (let row = 0; row < 4; row += 1) {
      let sum = 0;
      for (let n = 0; n < 4; n += 1) {
        sum += (a[n * 4 + row] as number) * (b[column * 4 + n] as number);
      }
      product[column * 4 + row] = sum;
    }
  }
  return product;
}
