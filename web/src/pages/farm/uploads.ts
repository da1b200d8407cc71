// A file that was dropped on a printer: uploaded, however often the line is cut, then ordered.
import { defineStore } from "pinia";
import { shallowReactive, watch } from "vue";

import { api, data } from "@/api/client";
import { orderKey } from "@/api/order-key";
import { asProblem, type Problem } from "@/api/problem";
import { useSession } from "@/app/session";
import { giveUp, makeLine, useLine, type Line } from "@/pages/files/line";

export type UploadStep =
  "waiting" | "sending" | "lost" | "ordering" | "ordered" | "failed" | "stopped";

export interface Upload {
  id: number;
  printerId: string;
  fileName: string;
  step: UploadStep;
  /** The share that the server keeps, 0–1. */
  sent: number;
  jobNumber: number | null;
  problem: Problem | null;
}

export interface Uploads {
  /** By id; a value is another object when anything of it has changed. */
  list: ReadonlyMap<number, Upload>;
  start(file: File, printerId: string): void;
  /** Stop while it is being sent: nothing is ordered then. */
  stop(id: number): void;
  again(id: number): void;
  forget(id: number): void;
  /** Stop and forget all: the next person has nothing to do with them. */
  clear(): void;
}

/** What goes with an upload and is not shown. */
interface Parts {
  file: File;
  /** Under this key it is ordered once, however often it is tried. */
  key: string;
  /** Where the server keeps what has arrived. */
  path: string | null;
  stop: AbortController;
}

/** They go on while other pages are shown, and end with the session. */
export const useFarmUploads = defineStore("farm-uploads", () => {
  const uploads = makeUploads(useLine());
  const session = useSession();
  watch(() => session.me, (me) => me ?? uploads.clear(), { flush: "sync" });
  return uploads;
});

/** A list of uploads. */
export function makeUploads(line: Line = makeLine()): Uploads {
  const list = shallowReactive(new Map<number, Upload>());
  const parts = new Map<number, Parts>();
  let lastId = 0;

  function change(id: number, part: Partial<Upload>): void {
    const known = list.get(id);
    if (known) list.set(id, { ...known, ...part });
  }

  async function run(id: number): Promise<void> {
    const [upload, own] = [list.get(id), parts.get(id)];
    if (!upload || !own) return;
    own.stop = new AbortController();
    change(id, { step: "waiting", problem: null });
    try {
      const fileId = await line.send(own.file, () => own.path, own.stop.signal, {
        begins: () => change(id, { step: "sending" }),
        sent: (bytes) => change(id, { sent: own.file.size ? bytes / own.file.size : 1 }),
        path: (path) => (own.path = path),
        lost: (is) => change(id, { step: is ? "lost" : "sending" }),
      });
      own.stop.signal.throwIfAborted();
      change(id, { step: "ordering", sent: 1 });
      change(id, { step: "ordered", jobNumber: await order(fileId, upload.printerId, own.key) });
    } catch (thrown) {
      if (own.stop.signal.aborted) change(id, { step: "stopped" });
      else change(id, { step: "failed", problem: asProblem(thrown) });
    }
  }

  async function stop(id: number): Promise<void> {
    const own = parts.get(id);
    if (!own) return;
    own.stop.abort();
    const { path } = own;
    own.path = null;
    if (path !== null) await giveUp(path);
  }

  return {
    list,
    start(file, printerId) {
      const id = ++lastId;
      parts.set(id, { file, key: orderKey(), path: null, stop: new AbortController() });
      list.set(id, {
        id,
        printerId,
        fileName: file.name,
        step: "waiting",
        sent: 0,
        jobNumber: null,
        problem: null,
      });
      void run(id);
    },
    stop: (id) => void stop(id),
    again: (id) => void run(id),
    forget(id) {
      parts.delete(id);
      list.delete(id);
    },
    clear() {
      for (const { stop: controller } of parts.values()) controller.abort();
      parts.clear();
      list.clear();
    },
  };
}

/** Order one copy for this printer alone; the job's number. */
async function order(fileId: string, printerId: string, key: string): Promise<number> {
  const job = await data(
    api.POST("/api/v1/jobs", {
      params: { header: { "idempotency-key": key } },
      body: {
        file_id: fileId,
        copies: 1,
        retries: 1,
        hold: false,
        priority: "normal",
        requirements: { printers: [printerId] },
      },
    }),
  );
  return job.number;
}
