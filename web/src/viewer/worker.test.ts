// What the worker tells of its picture.
import { afterEach, beforeEach, expect, it, vi } from "vitest";

import type { FromWorker, Look, ToWorker } from "./messages";

const told: FromWorker[] = [];
let give: (body: string) => void;
let frames: (() => void)[];

beforeEach(() => {
  frames = [];
  vi.stubGlobal("postMessage", (what: FromWorker) => told.push(what));
  vi.stubGlobal("requestAnimationFrame", (act: () => void) => frames.push(act));
  vi.stubGlobal("fetch", () => {
    return new Promise((resolve) => (give = (body) => resolve(new Response(body))));
  });
});
afterEach(() => vi.unstubAllGlobals());

function draw(): void {
  for (const act of frames.splice(0)) act();
}
const drawn = (): FromWorker[] => told.filter((one) => one.type === "drawn");

it("tells of what broke in a promise, which nobody else hears of", async () => {
  await import("./worker");
  self.dispatchEvent(new Event("unhandledrejection"));
  expect(told).toContainEqual({ type: "trouble", trouble: { kind: "broken" } });
});

it("tells that a layer is drawn only once the layer has been read", async () => {
  await import("./worker");
  const send = (data: ToWorker): unknown => self.onmessage?.({ data } as MessageEvent<ToWorker>);
  const canvas = { width: 10, height: 10, getContext: () => null } as unknown as OffscreenCanvas;
  send({ type: "open", url: "/content" });
  send({ type: "stage", mode: "flat", canvas, ratio: 1 });
  send({ type: "look", look: { layer: 0 } as Look });
  draw();
  expect(drawn()).toEqual([]);
  give("M83\nG1 X0 Y0\n;LAYER:0\nG1 X1 E1\n");
  await vi.waitFor(() => expect(told.some((one) => one.type === "read" && one.ended)).toBe(true));
  draw();
  expect(drawn()).toEqual([{ type: "drawn", layer: 0, whole: true }]);
});
