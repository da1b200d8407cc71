// The queue of uploads, each on its own; goes on while other pages are shown.
import { useQueryClient } from "@tanstack/vue-query";
import { defineStore } from "pinia";
import { computed, reactive, ref, watch } from "vue";

import { api, data } from "@/api/client";
import { asProblem, Problem } from "@/api/problem";
import { useSession } from "@/app/session";

import { giveUp, useLine } from "./line";
import { markOf, recall, recallAll, remember } from "./memory";
import { tus } from "./tus";

export type UploadState = "waiting" | "sending" | "lost" | "done" | "failed";

export interface Upload {
  id: number;
  name: string;
  size: number;
  /** Bytes that the server keeps. */
  sent: number;
  state: UploadState;
  problem: Problem | null;
  /** What it became: its id, and the name it has there, which is another where it was known. */
  fileId: string | null;
  storedAs: string | null;
}

/** An upload of an earlier visit that can be gone on with once its file is chosen again. */
export interface Unfinished {
  mark: string;
  path: string;
  name: string;
  size: number;
  sent: number;
}

export const useUploads = defineStore("uploads", () => {
  const session = useSession();
  const queries = useQueryClient();
  const line = useLine();
  const list = reactive<Upload[]>([]);
  const unfinished = ref<Unfinished[]>([]);
  const files = new Map<number, File>();
  const stops = new Map<number, AbortController>();
  let lastId = 0;

  const who = (): string => session.me?.id ?? session.me?.name ?? "";
  const busy = computed(() => list.some((one) => !["done", "failed"].includes(one.state)));

  function add(chosen: Iterable<File>): void {
    for (const file of chosen) {
      const id = ++lastId;
      files.set(id, file);
      const more = { problem: null, fileId: null, storedAs: null };
      list.push({ id, name: file.name, size: file.size, sent: 0, state: "waiting", ...more });
      const mark = markOf(file, who());
      unfinished.value = unfinished.value.filter((one) => one.mark !== mark);
      const added = list.at(-1); // as it is watched
      if (added) void run(added);
    }
  }

  async function run(upload: Upload): Promise<void> {
    const file = files.get(upload.id);
    if (!file) return;
    const stop = new AbortController();
    stops.set(upload.id, stop);
    upload.state = "waiting";
    upload.problem = null;
    const mark = markOf(file, who());
    try {
      upload.fileId = await line.send(file, () => recall(mark)?.path ?? null, stop.signal, {
        begins: () => (upload.state = "sending"),
        sent: (bytes) => (upload.sent = bytes),
        path: (path) => remember(mark, file, path),
        lost: (is) => (upload.state = is ? "lost" : "sending"),
      });
      remember(mark, file, null);
      upload.sent = upload.size;
      upload.state = "done";
      files.delete(upload.id);
      await arrived(upload, upload.fileId);
    } catch (thrown) {
      if (stop.signal.aborted) return;
      upload.problem = asProblem(thrown);
      upload.state = "failed";
    } finally {
      if (stops.get(upload.id) === stop) stops.delete(upload.id);
    }
  }

  /** What is under way is its sender's: whoever signs in next goes on with their own. */
  function stopAll(): void {
    for (const stop of stops.values()) stop.abort();
    files.clear();
    list.splice(0);
    unfinished.value = [];
  }
  watch(
    () => session.me === null,
    (gone) => gone && stopAll(),
    { flush: "sync" },
  );

  async function arrived(upload: Upload, fileId: string): Promise<void> {
    void queries.invalidateQueries({ queryKey: ["files"] });
    try {
      const path = { params: { path: { file_id: fileId } } };
      upload.storedAs = (await data(api.GET("/api/v1/files/{file_id}", path))).name;
    } catch (thrown) {
      asProblem(thrown); // it has arrived; under which name is shown in the list as well
    }
  }

  /** Stop an upload and give up what the server has of it. */
  async function cancel(upload: Upload): Promise<void> {
    stops.get(upload.id)?.abort();
    const file = files.get(upload.id);
    remove(upload);
    if (!file) return;
    const mark = markOf(file, who());
    const known = recall(mark);
    remember(mark, file, null);
    if (known) await giveUp(known.path);
  }

  const again = (upload: Upload): void => void run(upload);

  function remove(upload: Upload): void {
    const at = list.findIndex((one) => one.id === upload.id);
    if (at >= 0) list.splice(at, 1);
    files.delete(upload.id);
  }

  function clearDone(): void {
    for (const upload of list.filter((one) => one.state === "done")) remove(upload);
  }

  /** Ask for what an earlier visit has left half-sent. */
  async function lookBack(): Promise<void> {
    const queued = (): Set<string> =>
      new Set([...files.values()].map((file) => markOf(file, who())));
    const before = queued();
    const found: Unfinished[] = [];
    for (const [mark, one] of recallAll(who())) {
      if (before.has(mark)) continue;
      try {
        const place = await tus.look(one.path);
        if (place.fileId === null) found.push({ mark, ...one, sent: place.offset });
        else remember(mark, one, null);
      } catch (thrown) {
        if (asProblem(thrown).status === 404) remember(mark, one, null);
      }
    }
    // Meanwhile a file may have been chosen, and is being sent, or has arrived.
    const now = queued();
    unfinished.value = found.filter(({ mark }) => !now.has(mark) && recall(mark) !== null);
  }

  async function forget(one: Unfinished): Promise<void> {
    unfinished.value = unfinished.value.filter((other) => other.mark !== one.mark);
    remember(one.mark, one, null);
    await giveUp(one.path);
  }

  return { list, unfinished, busy, add, cancel, again, remove, clearDone, lookBack, forget };
});
