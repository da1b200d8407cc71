// A file that is being read and shown: the page's side of the worker.
import { onScopeDispose, ref, shallowRef, type Ref, type ShallowRef } from "vue";

import { Problem } from "@/api/problem";

import type { FromWorker, Look, Mode, ToWorker, Trouble } from "./messages";
import { emptyBox, type Box, type Layer } from "./toolpath";

export interface Viewer {
  /** What is known so far. */
  layers: ShallowRef<Layer[]>;
  box: ShallowRef<Box>;
  bytes: Ref<number>;
  size: Ref<number | null>;
  ended: Ref<boolean>;
  /** Whether the file was read from its beginning to its end. */
  whole: Ref<boolean>;
  problem: ShallowRef<Problem | null>;
  /** Why there is no picture in space. */
  noSpace: Ref<"missing" | "lost" | null>;
  /** Whether this browser lets a worker draw at all. */
  draws: Ref<boolean>;
  /** What the picture shows by now. */
  drawn: ShallowRef<{ layer: number; whole: boolean } | null>;
  /** Begin to read. A page calls it once it stands: on a small machine both want the processor. */
  read(): void;
  /** Read the file again from its beginning. */
  again(): void;
  /** Draw on this canvas from now on; it can be given once. */
  show(mode: Mode, canvas: HTMLCanvasElement, ratio: number): void;
  resize(width: number, height: number, ratio: number): void;
  leave(): void;
  /** Show this; the same message many times a frame costs one picture. */
  look(look: Look): void;
}

function newWorker(): Worker {
  return new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
}

const CODES = { full: "layers_too_many", nothing: "layers_none", broken: "layers_broke" };

/** What went wrong, as our problems are; words are those of `problem.json`. */
function problemOf(trouble: Trouble): Problem {
  if (trouble.kind === "answer") return new Problem(trouble.status, trouble.told);
  if (trouble.kind === "lost") return new Problem(0);
  return new Problem(422, { code: CODES[trouble.kind] });
}

/** Its program is the server's, too, and may be that of an older build. */
const NOT_LOADED = { code: "layers_not_loaded" };

/** Read and show the file at this address; ends with the component. */
export function useViewer(url: string, makeWorker: () => Worker = newWorker): Viewer {
  const layers = shallowRef<Layer[]>([]);
  const box = shallowRef(emptyBox());
  const bytes = ref(0);
  const size = ref<number | null>(null);
  const ended = ref(false);
  const whole = ref(false);
  const problem = shallowRef<Problem | null>(null);
  const noSpace = ref<"missing" | "lost" | null>(null);
  const draws = ref(true);
  const drawn = shallowRef<{ layer: number; whole: boolean } | null>(null);
  let worker: Worker | null = null;
  let gone = false;
  /** What was asked for before there is a worker. */
  const early: [ToWorker, Transferable[]][] = [];

  function read(): void {
    worker?.terminate();
    if (gone) return;
    const made = makeWorker();
    made.onmessage = ({ data }: MessageEvent<FromWorker>) => take(data);
    // A worker that could not be loaded, or broke, says so only here; one that broke says how.
    made.onerror = (event) => {
      problem.value = event.message ? problemOf({ kind: "broken" }) : new Problem(0, NOT_LOADED);
    };
    worker = made;
    send({ type: "open", url });
    for (const [what, passed] of early.splice(0)) send(what, passed);
  }

  function take(told: FromWorker): void {
    if (told.type === "drawn") drawn.value = told;
    else if (told.type === "no_space") noSpace.value = told.why;
    else if (told.type === "trouble") problem.value = problemOf(told.trouble);
    else {
      layers.value = layers.value.slice(0, told.from).concat(told.layers);
      box.value = told.box;
      bytes.value = told.bytes;
      size.value = told.size;
      [ended.value, whole.value] = [told.ended, told.whole];
    }
  }

  function send(what: ToWorker, passed: Transferable[] = []): void {
    if (worker) worker.postMessage(what, passed);
    else early.push([what, passed]);
  }

  function again(): void {
    layers.value = [];
    box.value = emptyBox();
    [bytes.value, size.value] = [0, null];
    ended.value = whole.value = false;
    problem.value = noSpace.value = drawn.value = null;
    read();
  }

  onScopeDispose(() => {
    gone = true;
    worker?.terminate();
  });
  return {
    layers,
    box,
    bytes,
    size,
    ended,
    whole,
    problem,
    noSpace,
    draws,
    drawn,
    read,
    again,
    show(mode, canvas, ratio) {
      noSpace.value = null;
      draws.value = "transferControlToOffscreen" in canvas;
      if (!draws.value) return;
      const passed = canvas.transferControlToOffscreen();
      send({ type: "stage", mode, canvas: passed, ratio }, [passed]);
    },
    resize: (width, height, ratio) => send({ type: "size", width, height, ratio }),
    leave: () => send({ type: "leave" }),
    look: (look) => send({ type: "look", look }),
  };
}
