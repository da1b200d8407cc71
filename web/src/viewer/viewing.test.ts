// From messages to pictures: the camera, the flat picture, vertices, and the page's side.
import { beforeAll, describe, expect, it, vi } from "vitest";
import { effectScope } from "vue";

import { i18n, speak } from "@/i18n";

import { dragged, turned, whole, zoomed, zoomedAt } from "./camera";
import { drawFlat, projection, type Context } from "./flat";
import { NOTHING, placeOf, TRAVEL } from "./kinds";
import { axesOf, viewOf } from "./matrix";
import type { Camera, FromWorker, Look } from "./messages";
import { rgba } from "./program";
import { Reader } from "./reader";
import { emptyBox, Toolpath, type Layer } from "./toolpath";
import { gridOf, Thinned, VERTEX_BYTES, VertexWriter } from "./vertices";
import { useViewer } from "./viewer";

beforeAll(() => speak("en", false));

function read(text: string): Toolpath {
  const path = new Toolpath();
  const reader = new Reader(path);
  reader.feed(new TextEncoder().encode(text));
  reader.finish();
  return path;
}

/** Rings around (50, 50), one a layer. */
function rings(layers: number, corners: number): Toolpath {
  const lines = ["M83", "G1 X90 Y50"];
  for (let layer = 1; layer <= layers; layer += 1) {
    lines.push(";LAYER_CHANGE", `G1 Z${layer}`, ";TYPE:Internal infill", "G1 X45 Y50", "G1 X55 E1");
    lines.push(";TYPE:External perimeter", "G1 X90 Y50");
    for (let corner = 1; corner <= corners; corner += 1) {
      const angle = (corner / corners) * 2 * Math.PI;
      lines.push(`G1 X${50 + 40 * Math.cos(angle)} Y${50 + 40 * Math.sin(angle)} E1`);
    }
  }
  return read(lines.join("\n"));
}

const SIDE = { width: 400, height: 200 };
const CAMERA: Camera = { x: 50, y: 50, z: 0, span: 100, turn: 0, tilt: 0 };
const SHOWN = Array.from({ length: TRAVEL + 1 }, (_, kind) => kind !== NOTHING && kind !== TRAVEL);
const COLOURS = {
  ground: "#fff",
  grid: "#eee",
  faint: "#ccc",
  kinds: Array.from({ length: TRAVEL + 1 }, (_, kind) => `#00000${kind}`),
};
const LOOK: Look = { layer: 0, until: 1, shown: SHOWN, camera: CAMERA, colours: COLOURS };

describe("the camera", () => {
  const box = { low: [0, 0, 0], high: [100, 50, 20] } satisfies ReturnType<typeof emptyBox>;

  it("shows all of the part, flat and in space", () => {
    const flat = whole("flat", box, SIDE);
    expect([flat.x, flat.y]).toEqual([50, 25]);
    expect(flat.span / 200).toBeGreaterThanOrEqual(Math.max(100 / 400, 50 / 200));
    expect(whole("space", box, SIDE).span).toBeGreaterThan(Math.hypot(100, 50, 20));
    expect(whole("flat", emptyBox(), SIDE).span).toBeGreaterThan(0);
  });

  it("keeps what is under the pointer there while it zooms", () => {
    const before = projection(LOOK, { ...SIDE, ratio: 1 });
    const camera = zoomedAt(CAMERA, 2, 60, -30, SIDE);
    const after = projection({ ...LOOK, camera }, { ...SIDE, ratio: 1 });
    const [px, py] = [200 + 60, 100 - 30];
    expect((px - after.x0) / after.scale).toBeCloseTo((px - before.x0) / before.scale, 9);
    expect((after.y0 - py) / after.scale).toBeCloseTo((before.y0 - py) / before.scale, 9);
  });

  it("follows the finger, and never looks from below the pole or closer than a millimetre", () => {
    expect(dragged("flat", CAMERA, 20, 10, SIDE)).toMatchObject({ x: 40, y: 55 });
    expect(dragged("space", CAMERA, 20, 10, SIDE)).toMatchObject({ x: 40, z: 5 });
    expect(turned(CAMERA, 0, 9).tilt).toBeLessThan(Math.PI / 2);
    expect(zoomed(CAMERA, 1e9).span).toBe(1);
  });

  it("has axes that stand at right angles", () => {
    const { right, up, back } = axesOf({ ...CAMERA, turn: 0.7, tilt: 0.4 });
    const dot = (a: number[], b: number[]): number =>
      a.reduce((sum, one, at) => sum + one * (b[at] ?? 0), 0);
    for (const axis of [right, up, back]) expect(dot(axis, axis)).toBeCloseTo(1, 12);
    for (const [a, b] of [[right, up], [up, back], [back, right]] as const) {
      expect(dot(a, b)).toBeCloseTo(0, 12);
    }
  });

  it("puts what it looks at in the middle of the picture, and right to the right", () => {
    const grid = gridOf({ low: [0, 0, 0], high: [100, 100, 100] });
    const view = viewOf({ ...CAMERA, z: 20, turn: 0.3, tilt: 0.5 }, grid, 400, 200);
    const seen = (place: number[]): [number, number] => {
      const [x = 0, y = 0, z = 0] = place.map((one) => (one - 50) / grid.step);
      const row = (n: number): number =>
        (view[n] ?? 0) * x + (view[4 + n] ?? 0) * y + (view[8 + n] ?? 0) * z + (view[12 + n] ?? 0);
      return [row(0) / row(3), row(1) / row(3)];
    };
    expect(seen([50, 50, 20])).toEqual([expect.closeTo(0, 5), expect.closeTo(0, 5)]);
    expect(seen([60, 50, 20])[0]).toBeGreaterThan(0.01);
    expect(seen([50, 50, 30])[1]).toBeGreaterThan(0.01);
  });
});

describe("the flat picture", () => {
  interface Drawn {
    colour: string;
    corners: [number, number][];
  }
  function draw(path: Toolpath, look: Partial<Look> = {}): { drawn: Drawn[]; steps: number } {
    const drawn: Drawn[] = [];
    let corners: [number, number][] = [];
    const context = {
      strokeStyle: "",
      fillRect: () => undefined,
      beginPath: () => (corners = []),
      moveTo: (x: number, y: number) => corners.push([x, y]),
      lineTo: (x: number, y: number) => corners.push([x, y]),
      stroke: () => drawn.push({ colour: String(context.strokeStyle), corners }),
    };
    const size = { ...SIDE, ratio: 1 };
    const all = drawFlat(context as unknown as Context, path, { ...LOOK, ...look }, size);
    let steps = 1;
    while (!all.next().done) steps += 1;
    return { drawn: drawn.slice(1), steps }; // without the grid
  }
  const outer = `#00000${placeOf("outer")}`;
  const infill = `#00000${placeOf("infill")}`;

  it("has the layer in its colours over the one below it, faint", () => {
    const { drawn } = draw(rings(3, 12), { layer: 1 });
    const colours = [...new Set(drawn.map((one) => one.colour))];
    expect(colours).toEqual(["#ccc", infill, outer]);
    const ring = drawn.find((one) => one.colour === outer);
    expect(ring?.corners).toHaveLength(13);
    expect(ring?.corners[0]).toEqual([280, 100]); // 40 mm right of the middle, 2 pixels each
  });

  it("leaves out what is not shown, and what lies outside", () => {
    const path = rings(1, 12);
    const shown = SHOWN.map((is, kind) => is && kind !== placeOf("outer"));
    expect(draw(path, { shown }).drawn.map((one) => one.colour)).toEqual([infill]);
    expect(draw(path, { camera: { ...CAMERA, x: 500 } }).drawn).toEqual([]);
  });

  it("draws the rest of a layer that is being printed faintly", () => {
    const { drawn } = draw(rings(1, 12), { until: 0.5 });
    const length = (colour: string): number =>
      drawn.reduce((sum, one) => sum + (one.colour === colour ? one.corners.length : 0), 0);
    expect(length("#ccc")).toBeGreaterThan(4);
    expect(length(outer)).toBeGreaterThan(4);
  });

  it("merges lines that are too short to be seen, and stops for breath", () => {
    const { drawn, steps } = draw(rings(1, 9000));
    const corners = drawn.reduce((sum, one) => sum + one.corners.length, 0);
    expect(corners).toBeLessThan(2 * Math.PI * 80 * 2);
    expect(corners).toBeGreaterThan(300);
    expect(steps).toBeGreaterThan(3);
  });
});

describe("vertices", () => {
  it("are within a hundredth of a millimetre of the points, with their kind", () => {
    const path = rings(2, 12);
    const grid = gridOf(path.whole);
    const writer = new VertexWriter(path, grid, path.count);
    for (let at = 0; at < path.count; at += 1) {
      writer.add(at, Math.max(0, at - 1), path.kinds[0]?.[at] ?? 0);
    }
    const bytes = writer.written();
    expect(bytes).toHaveLength(path.count * VERTEX_BYTES);
    const view = new DataView(bytes.buffer);
    for (let at = 0; at < path.count; at += 1) {
      expect(bytes[at * VERTEX_BYTES + 6]).toBe(path.kinds[0]?.[at]);
      for (const axis of [0, 1, 2] as const) {
        const steps = view.getInt16(at * VERTEX_BYTES + axis * 2, true);
        const found = steps * grid.step + grid.middle[axis];
        expect(Math.abs(found - (path.places[0]?.[at * 3 + axis] ?? 0))).toBeLessThan(0.01);
      }
    }
  });

  it("are thinned to what may be drawn quickly: outer walls, to their ends", () => {
    const path = rings(100, 300);
    const thinned = new Thinned(path, gridOf(path.whole), 3000);
    while (!thinned.done) thinned.step();
    const bytes = thinned.writer.written();
    const count = bytes.length / VERTEX_BYTES;
    expect(count).toBeLessThanOrEqual(3000);
    expect(count).toBeGreaterThan(1500);
    const kinds = Array.from({ length: count }, (_, at) => bytes[at * VERTEX_BYTES + 6]);
    expect(new Set(kinds)).toEqual(new Set([NOTHING, placeOf("outer")]));
    const ends = [...thinned.ends];
    expect(ends).toEqual(ends.toSorted((a, b) => a - b));
    const grid = gridOf(path.whole);
    const places = new DataView(bytes.buffer);
    for (const end of ends) {
      const x = places.getInt16((end - 1) * VERTEX_BYTES, true) * grid.step + grid.middle[0];
      expect(x).toBeCloseTo(90, 1); // where the ring began
    }
    expect(thinned.ends.at(-1)).toBe(count);
  });

  it("leave whole layers out where there are too many for their corners", () => {
    const path = rings(500, 20);
    const thinned = new Thinned(path, gridOf(path.whole), 600);
    while (!thinned.done) thinned.step();
    expect(thinned.writer.count).toBeLessThanOrEqual(600);
    expect(thinned.writer.count).toBeGreaterThan(200);
  });
});

it("knows long and short colours", () => {
  expect(rgba("#fff", true)).toEqual([1, 1, 1, 1]);
  expect(rgba("#ff0033", false)).toEqual([1, 0, 0.2, 0]);
});

describe("the page's side", () => {
  function open() {
    const sent: unknown[] = [];
    const worker = {
      onmessage: (() => undefined) as (told: MessageEvent) => void,
      postMessage: (one: unknown) => sent.push(one),
      onerror: (() => undefined) as (event: { message?: string }) => void,
      terminate: vi.fn(),
    };
    const make = vi.fn(() => worker as unknown as Worker);
    const scope = effectScope();
    const viewer = scope.run(() => useViewer("/content", make));
    if (!viewer) throw new Error("no viewer");
    const say = (told: FromWorker): void => worker.onmessage({ data: told } as MessageEvent);
    const fail = (event: { message?: string }): void => worker.onerror(event);
    const leave = (): void => scope.stop();
    return { viewer, say, fail, sent, make, terminate: worker.terminate, leave };
  }
  const layer = (first: number): Layer => ({
    first, z: 0, byte: 0, prints: 0, travels: 0, printed: 0, travelled: 0, kinds: [],
  });
  const more = { ended: false, whole: false };
  const told = { type: "read", bytes: 10, size: 20, box: emptyBox(), ...more } as const;

  it("puts together what the worker tells, the last layer again and again", () => {
    const { viewer, say, sent } = open();
    viewer.read();
    expect(sent).toEqual([{ type: "open", url: "/content" }]);
    say({ ...told, from: 0, layers: [layer(0), layer(1)] });
    const before = viewer.layers.value;
    say({ ...told, from: 1, layers: [layer(1), layer(2)], ended: true });
    expect(viewer.layers.value.map((one) => one.first)).toEqual([0, 1, 2]);
    expect(viewer.layers.value).not.toBe(before); // components that were given it see the change
    expect(viewer.ended.value).toBe(true);
  });

  it("says in problems what went wrong, and begins anew", () => {
    const { viewer, say, sent, terminate } = open();
    viewer.read();
    say({ type: "trouble", trouble: { kind: "answer", status: 404, told: { code: "not_found" } } });
    expect(viewer.problem.value).toMatchObject({ status: 404, code: "not_found" });
    say({ type: "trouble", trouble: { kind: "lost" } });
    expect(viewer.problem.value?.code).toBe("unreachable");
    say({ type: "trouble", trouble: { kind: "full" } });
    expect(viewer.problem.value?.code).toBe("layers_too_many");
    viewer.again();
    expect(viewer.problem.value).toBeNull();
    expect(sent).toHaveLength(2);
    expect(terminate).toHaveBeenCalledOnce(); // the first one
  });

  it("tells a worker that broke from one that could not be loaded, and from the server", () => {
    const { viewer, fail, say } = open();
    viewer.read();
    fail({ message: "RangeError: Array buffer allocation failed" });
    expect(viewer.problem.value?.code).toBe("layers_broke");
    fail({});
    expect(viewer.problem.value?.code).toBe("layers_not_loaded");
    say({ type: "trouble", trouble: { kind: "broken" } });
    expect(viewer.problem.value?.code).toBe("layers_broke");
    const words = i18n.global.te("problem.layers_broke.detail");
    expect([words, i18n.global.te("problem.layers_not_loaded.hint")]).toEqual([true, true]);
  });

  it("has no worker until it is to read, and none once it is left", () => {
    const { viewer, sent, make, terminate, leave } = open();
    viewer.resize(3, 4, 1);
    expect(make).not.toHaveBeenCalled();
    viewer.read();
    const size = { type: "size", width: 3, height: 4, ratio: 1 };
    expect(sent).toEqual([{ type: "open", url: "/content" }, size]);
    leave();
    expect(terminate).toHaveBeenCalledOnce();
    viewer.read();
    expect(make).toHaveBeenCalledOnce();
  });
});
