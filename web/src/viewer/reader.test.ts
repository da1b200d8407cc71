// What the reader makes of G-code, slicer by slicer and command by command.
import { describe, expect, it } from "vitest";

import { KINDS, kindOf, NOTHING, placeOf, TRAVEL } from "./kinds";
import { Reader } from "./reader";
import { BLOCK, Toolpath } from "./toolpath";

const ENCODER = new TextEncoder();

function read(text: string, pieces: readonly number[] = []): Toolpath {
  const path = new Toolpath();
  const reader = new Reader(path);
  const bytes = ENCODER.encode(text);
  const cuts = [0, ...pieces, bytes.length];
  for (const [n, from] of cuts.slice(0, -1).entries()) reader.feed(bytes.slice(from, cuts[n + 1]));
  reader.finish();
  return path;
}

/** The points as "x y z kind", so that whole paths can be compared. */
function points(path: Toolpath): string[] {
  return Array.from({ length: path.count }, (_, at) => {
    const place = path.places[Math.floor(at / BLOCK)];
    const kind = path.kinds[Math.floor(at / BLOCK)]?.[at % BLOCK];
    const [x, y, z] = [0, 1, 2].map((axis) => place?.[(at % BLOCK) * 3 + axis]);
    return `${x} ${y} ${z} ${kind}`;
  });
}

function layers(path: Toolpath): [number, number, number][] {
  return path.layers.map((one) => [one.z, one.prints, one.travels]);
}

const SQUARE = "G1 X10 Y0 E1\nG1 X10 Y10 E1\nG1 X0 Y10 E1\nG1 X0 Y0 E1\n";
const BEGIN = "G90\nM83\nG1 X0 Y0\n";

describe("layers", () => {
  const body = (mark: (n: number) => string): string =>
    "G90\nM83\nG1 X0 Y0 Z0.3\nG1 X5 E1 ; a line to prime\n" +
    [0, 1, 2].map((n) => `${mark(n)}G1 Z${(n + 1) / 4} F6000\n${SQUARE}`).join("");
  const dialects: Record<string, (n: number) => string> = {
    "PrusaSlicer and OrcaSlicer": (n) => `;LAYER_CHANGE\n;Z:${(n + 1) / 4}\n;HEIGHT:0.25\n`,
    BambuStudio: (n) => `; CHANGE_LAYER\n; Z_HEIGHT: ${(n + 1) / 4}\n; LAYER_HEIGHT: 0.25\n`,
    Cura: (n) => `;LAYER:${n}\n`,
    "Cura with a raft": (n) => `;LAYER:${n - 2}\n`,
    ideaMaker: (n) => `;LAYER:${n}\n;Z:${(n + 1) / 4}\n`,
    Simplify3D: (n) => `; layer ${n + 1}, Z = ${(n + 1) / 4}\n`,
    KISSlicer: (n) => `; BEGIN_LAYER_OBJECT z=${(n + 1) / 4} z_thickness=0.25\n`,
  };
  it.each(Object.entries(dialects))("are those that %s marks", (_, mark) => {
    const path = read(body(mark));
    expect(layers(path)).toEqual([
      [0.25, 5, 2],
      [0.5, 4, 1],
      [0.75, 4, 1],
    ]);
    // What came before the first mark is shown with the first layer.
    expect(path.layers[0]?.first).toBe(0);
  });

  it("follow the height where no slicer marks them, whatever hops between", () => {
    const layer = (z: number): string => `G1 Z${z}\n${SQUARE}G1 Z${z + 1}\nG1 X1 Y1\nG1 Z${z}\n`;
    const path = read(`${BEGIN}${layer(0.2)}${SQUARE}${layer(0.4)}${layer(0.6)}`);
    expect(layers(path).map(([z, prints]) => [z, prints])).toEqual([
      [0.2, 8],
      [0.4, 4],
      [0.6, 4],
    ]);
  });

  it("are gathered anew at the first mark after lines without one", () => {
    const path = read(`${BEGIN}G1 Z0.3\nG1 X9 E1\nG1 Z1\nG1 X1 E1\n;LAYER:0\nG1 Z0.2\n${SQUARE}`);
    expect(layers(path)).toEqual([[0.2, 6, 4]]);
  });

  it("are steps of a wall that climbs without an end", () => {
    const turns = Array.from({ length: 40 }, (_, n) => `G1 X${n % 2} Z${(n + 1) / 20} E1\n`);
    const path = read(BEGIN + turns.join(""));
    expect(path.layers.map((one) => one.z)).toEqual(
      Array.from({ length: 10 }, (_, n) => 0.05 + n * 0.2).map((z) => expect.closeTo(z, 9)),
    );
  });

  it("count one style of marks only, the one that came first", () => {
    const both = (n: number): string => `;LAYER_CHANGE\n;Z:${n}\n;LAYER:${n}\n${SQUARE}`;
    expect(read(BEGIN + both(1) + both(2)).layers).toHaveLength(2);
  });

  it("know where in the file they begin", () => {
    const text = `${BEGIN};LAYER:0\n${SQUARE};LAYER:1\n${SQUARE}`;
    const path = read(text);
    expect(path.layers.map((one) => one.byte)).toEqual([
      text.indexOf(";LAYER:0"),
      text.indexOf(";LAYER:1"),
    ]);
  });
});

describe("moves", () => {
  it("print where the extruder pushes, and travel elsewhere", () => {
    const path = read(`${BEGIN}G1 X10 E1\nG0 X0\nG1 X5 E-1\nG1 E1\nG1 X6 E.1\n`);
    expect(path.layers[0]).toMatchObject({ prints: 2, printed: 11 });
    expect(points(path).map((one) => Number(one.split(" ")[3]))).toEqual([
      NOTHING,
      8,
      TRAVEL,
      TRAVEL,
      8,
    ]);
  });

  it("print in absolute extrusion where the amount grows", () => {
    const path = read("G90\nM82\nG92 E0\nG1 X0 Y0\nG1 X1 E1\nG1 X2 E1\nG1 X3 E.5\nG1 X4 E1\n");
    expect(path.layers[0]).toMatchObject({ prints: 2, travels: 3 });
  });

  it("are relative after G91, the extruder too, and G90 brings back what M82 said", () => {
    const path = read("M82\nG1 X1 Y1 E1\nG91\nG1 X1 E.5\nG1 X1 E.5\nG90\nG1 X9 E3\nG1 X1 E2.5\n");
    expect(path.layers[0]?.prints).toBe(4);
    expect(points(path).map((one) => one.split(" ")[0])).toEqual(["1", "2", "3", "9", "1"]);
  });

  it("are in inches after G20 and have other names after G92", () => {
    const path = read("G20\nM83\nG1 X0 Y0\nG1 X1 E1\nG21\nG92 X0\nG1 X1 E1\n");
    expect(points(path).at(-1)).toBe(`${Math.fround(26.4)} 0 0 8`);
    expect(path.layers[0]?.printed).toBeCloseTo(26.4, 9);
  });

  it("are not drawn from a place that nobody knows", () => {
    const path = read("M83\nG1 X5 E1\nG1 Y5\nG1 X6 E1\nG28\nG1 X0 Y0\nG1 X1 E1\n");
    expect(points(path)).toEqual(["5 5 0 0", "6 5 0 8", "0 0 0 0", "1 0 0 8"]);
    expect(path.layers[0]).toMatchObject({ prints: 3, printed: 2 });
  });

  it("are read however they are written", () => {
    const plain = read("G90\nM83\nG1 X0 Y0\nG1 X10.5 Y-2 E.1\nG1 X1 Y2 Z3 E1\n");
    const odd =
      "g90\r\n  M83\r\nN10 G01 X0Y0*71\n\tG1X10.5Y-2E+.1;X99\nG1 (X7) X 1 Y2.00 Z+3 E1 F3e (\n";
    expect(points(read(odd))).toEqual(points(plain));
  });

  it("leave alone what only looks like one", () => {
    const path = read(
      `${BEGIN}G10\nG1\nG1 F600\nG4 P9\nM117 G1 X9 E9\nTURN_OFF\nG92.1\nGO X1\n;G1 X9 E9\nG1 X`,
    );
    expect(path.layers).toHaveLength(0);
    expect(path.count).toBe(1);
  });
});

describe("arcs", () => {
  it.each([
    ["G2 X10 Y10 I10 J0 E1", (Math.PI / 2) * 10],
    ["G3 X10 Y10 I10 J0 E1", ((3 * Math.PI) / 2) * 10],
    ["G2 X10 Y10 R10 E1", (Math.PI / 2) * 10],
    ["G2 X10 Y10 R-10 E1", ((3 * Math.PI) / 2) * 10],
    ["G2 X0 Y0 I10 E1", 2 * Math.PI * 10],
    ["G2 X10 Y10 E1", Math.hypot(10, 10)],
    ["G2 X10 Y10 Z5 I10 J0 E1", Math.hypot((Math.PI / 2) * 10, 5)],
  ])("%s is %d mm long and one segment", (command, length) => {
    const path = read(`${BEGIN}G1 Z0\n${command}\n`);
    expect(path.layers[0]).toMatchObject({ prints: 1, printed: expect.closeTo(length, 9) });
  });

  it("are drawn round: every corner lies on the circle, none far from the next", () => {
    const path = read(`${BEGIN}G2 X10 Y10 I10 J0 E1\n`);
    const corners = points(path).map((one) => one.split(" ").map(Number));
    expect(corners.length).toBeGreaterThan(10);
    for (const [x = 0, y = 0] of corners) expect(Math.hypot(x - 10, y)).toBeCloseTo(10, 4);
    expect(corners.every(([x = 0, y = 0]) => x <= 10 && y >= 0)).toBe(true);
    expect(path.printed.high).toEqual([10, 10, 0].map((one) => expect.closeTo(one, 5)));
  });
});

describe("kinds", () => {
  it.each<[string, string]>([
    ["External perimeter", "outer"],
    ["Perimeter", "inner"],
    ["Overhang perimeter", "bridge"],
    ["Internal infill", "infill"],
    ["Solid infill", "solid"],
    ["Top solid infill", "solid"],
    ["Internal bridge infill", "bridge"],
    ["Support material interface", "support"],
    ["Skirt/Brim", "skirt"],
    ["Wipe tower", "skirt"],
    ["Gap fill", "solid"],
    ["Custom", "other"],
    ["WALL-OUTER", "outer"],
    ["WALL-INNER", "inner"],
    ["SKIN", "solid"],
    ["FILL", "infill"],
    ["SUPPORT-INTERFACE", "support"],
    ["PRIME-TOWER", "skirt"],
    ["Outer wall", "outer"],
    ["Sparse infill", "infill"],
    ["Perimeter Path", "outer"],
    ["Loop Path", "inner"],
  ])("%s is %s", (word, kind) => {
    expect(KINDS[kindOf(word) - 1]).toBe(kind);
  });

  it.each([
    ";TYPE:External perimeter",
    ";TYPE:WALL-OUTER",
    "; FEATURE: Outer wall",
    "; feature outer perimeter",
    "; outer perimeter",
    "; 'Perimeter Path', 0.9 [feed mm/s], 20.0 [head mm/s]",
  ])("are told by “%s”", (comment) => {
    const path = read(`${BEGIN}${comment}\n${SQUARE};TYPE:Custom\nG1 X3 E1\n`);
    expect(path.layers[0]?.kinds[placeOf("outer") - 1]).toBe(40);
    expect(path.layers[0]?.kinds[placeOf("other") - 1]).toBe(3);
  });
});

it("is the same wherever the file is cut into pieces", () => {
  const text =
    `; head\r\n${BEGIN};LAYER_CHANGE\n;Z:0.25\n;TYPE:External perimeter\nG1 Z.25\n${SQUARE}` +
    `G2 X10 Y10 I10 J0 E1\n;LAYER_CHANGE\n;Z:0.5\nG91\nG1 X1.25 Y-2.5 E.5\nG90 ; end\nG1 X3 E1`;
  const whole = read(text);
  expect(layers(whole)).toHaveLength(2);
  const all = (path: Toolpath): unknown => [points(path), path.layers, path.printed];
  for (let cut = 1; cut < text.length; cut += 1) {
    expect(all(read(text, [cut])), `cut at ${cut}`).toEqual(all(whole));
  }
  const bytes = Array.from({ length: text.length - 1 }, (_, at) => at + 1);
  expect(all(read(text, bytes))).toEqual(all(whole));
});

it("reads a line no longer than a printer would, wherever it is cut", () => {
  const text = `${BEGIN}G1 X1${" ".repeat(20_000)}E1\nG1 X2 E1\n`;
  for (const cuts of [[], [15_000], [17_000], [20_030]]) {
    expect(read(text, cuts).layers[0]).toMatchObject({ prints: 1, travels: 2 });
  }
});

it("keeps more points than one block holds", () => {
  const lines = Array.from({ length: BLOCK + 10 }, (_, n) => `G1 X${n % 100} Y${n % 7} E1\n`);
  const path = read(BEGIN + lines.join(""));
  expect(path.count).toBe(BLOCK + 11);
  expect(points(path).at(-1)).toBe(`${(BLOCK + 9) % 100} ${(BLOCK + 9) % 7} 0 8`);
});
