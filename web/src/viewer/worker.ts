// The viewer's own thread: it reads the file, keeps it, and draws what the page asks for.
/// <reference lib="webworker" />
import { drawFlat, type Size } from "./flat";
import type { FromWorker, Look, Mode, ToWorker } from "./messages";
import { readInto } from "./reading";
import { Space } from "./space";
import { Toolpath } from "./toolpath";

declare const self: DedicatedWorkerGlobalScope;

/** How long drawing may take in one frame, in ms. */
const FRAME_MS = 10;
/** When nothing has changed for so long, the picture is drawn in full, in ms. */
const QUIET_MS = 160;

interface Stage {
  mode: Mode;
  canvas: OffscreenCanvas;
  size: Size;
}

const path = new Toolpath();
let ended = false;
let look: Look | null = null;
let stage: Stage | null = null;
let drawing: Generator<undefined> | null = null;
let space: Space | null = null;
let noSpace = false;
let prepared = false;
let changed = false;
let changedAt = 0;
let awake = false;

function say(what: FromWorker): void {
  self.postMessage(what);
}

function change(): void {
  changed = true;
  if (awake) return;
  awake = true;
  requestAnimationFrame(frame);
}

function frame(): void {
  awake = false;
  if (stage === null || look === null) return;
  const more = stage.mode === "flat" ? flatFrame(stage, look) : spaceFrame(stage, look);
  if (!more) return;
  awake = true;
  requestAnimationFrame(frame);
}

/** Tell what the picture shows; where the layer was not read yet, it shows nothing. */
function drawn(layer: number, whole: boolean): void {
  if (layer < path.layers.length) say({ type: "drawn", layer, whole });
}

function flatFrame(at: Stage, now: Look): boolean {
  const until = performance.now() + FRAME_MS;
  if (changed) {
    changed = false;
    const context = at.canvas.getContext("2d", { alpha: false });
    drawing = context && drawFlat(context, path, now, fit(at));
  }
  let whole = drawing === null;
  while (drawing && performance.now() < until) {
    if (!drawing.next().done) continue;
    drawing = null;
    whole = true;
  }
  drawn(now.layer, whole);
  return drawing !== null;
}

/** Give the canvas the size of its place on the page. */
function fit({ canvas, size }: Stage): Size {
  if (canvas.width !== size.width) canvas.width = size.width;
  if (canvas.height !== size.height) canvas.height = size.height;
  return size;
}

function spaceFrame(at: Stage, now: Look): boolean {
  const picture = space ?? makeSpace(at);
  if (picture === null) return false;
  const time = performance.now();
  if (!prepared && picture.prepare(time + FRAME_MS)) prepared = changed = true;
  if (!picture.ready()) return true;
  if (changed) {
    changed = false;
    changedAt = time;
    picture.quick(now, fit(at));
    drawn(now.layer, false);
    return true;
  }
  if (!prepared || time - changedAt < QUIET_MS) return true;
  const whole = picture.whole(now, at.size);
  if (whole) drawn(now.layer, whole);
  return !whole;
}

/** There is none before the file was read, and where WebGL 2 is missing. */
function makeSpace({ canvas }: Stage): Space | null {
  if (!ended || noSpace) return null;
  try {
    space = new Space(canvas, path);
    canvas.addEventListener("webglcontextlost", () => stage?.canvas === canvas && giveUp("lost"));
    return space;
  } catch {
    giveUp("missing");
    return null;
  }
}

function giveUp(why: "missing" | "lost"): void {
  noSpace = true;
  space = null;
  say({ type: "no_space", why });
}

function leave(): void {
  const left = space;
  stage = drawing = space = null;
  left?.leave();
  prepared = noSpace = false;
}

async function open(url: string): Promise<void> {
  const trouble = await readInto(path, url, (read) => {
    ended = read.ended;
    say(read);
    if (stage?.mode === "flat" || ended) change();
  });
  if (trouble) say({ type: "trouble", trouble });
}

// What no page hears of otherwise: it happens in a promise.
self.addEventListener("unhandledrejection", () => {
  say({ type: "trouble", trouble: { kind: "broken" } });
});
self.onmessage = ({ data }: MessageEvent<ToWorker>) => {
  if (data.type === "open") {
    void open(data.url);
    return;
  }
  if (data.type === "look") look = data.look;
  else if (data.type === "leave") leave();
  else if (data.type === "stage") {
    leave();
    const { width, height } = data.canvas;
    stage = { mode: data.mode, canvas: data.canvas, size: { width, height, ratio: data.ratio } };
  } else if (stage) stage.size = data;
  change();
};
