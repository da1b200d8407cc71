// The live farm for every page: printers, jobs and queue, and how old what is shown is.
import { useEventListener, useIntervalFn } from "@vueuse/core";
import { defineStore } from "pinia";
import { computed, ref, shallowRef } from "vue";

import { api } from "@/api/client";
import { Problem } from "@/api/problem";

import { Board } from "./board";
import type { Frame, LivePrinter } from "./frames";
import {
  LiveSocket,
  type Connection,
  type Probe,
  type SocketLike,
  type Surroundings,
} from "./socket";

/** From this age on a value says how old it is, in s. */
export const OLD_S = 5;

/** The browser around a live socket. */
export const BROWSER: Surroundings = {
  open: (url) => new WebSocket(url) as unknown as SocketLike, // its handlers take more than ours
  probe,
  after(ms, act) {
    const timer = setTimeout(act, ms);
    return () => clearTimeout(timer);
  },
  nextTurn(act) {
    // A page in the background shows no pictures, and is to be right when it comes back.
    if (document.hidden) setTimeout(act, 250);
    else requestAnimationFrame(act);
  },
  random: Math.random,
};

async function probe(): Promise<Probe> {
  try {
    await api.GET("/api/v1/me", { signal: AbortSignal.timeout(5000) });
    return "fine";
  } catch (thrown) {
    return thrown instanceof Problem && thrown.status === 401 ? "signed_out" : "unreachable";
  }
}

/** Where the live socket of this server is. */
export function address(): string {
  const at = new URL("/api/v1/live", location.href);
  at.protocol = at.protocol === "https:" ? "wss:" : "ws:";
  return at.href;
}

export const useLive = defineStore("live", () => {
  const board = new Board();
  const connection = ref<Connection>("idle");
  const known = ref(false);
  /** How often the rights of whoever is signed in were changed. */
  const rights = ref(0);
  /** The server's clock when the last frame or beat came, and this page's then. */
  const heardAt = shallowRef({ server: 0, page: 0 });
  const now = ref(performance.now());
  useIntervalFn(() => (now.value = performance.now()), 1000);

  function heard(server: number): void {
    heardAt.value = { server, page: performance.now() };
  }

  function take(frames: readonly Frame[]): boolean {
    const followed = frames.every((frame) => board.apply(frame));
    const last = frames.at(-1);
    if (last) heard(last.at_s);
    if (board.place !== null) known.value = true;
    return followed;
  }

  const socket = new LiveSocket(address(), BROWSER, {
    place: () => board.place,
    take,
    beat: heard,
    stands: (found) => (connection.value = found),
    rights: () => (rights.value += 1),
  });
  useEventListener(window, "online", () => socket.hurry());
  useEventListener(document, "visibilitychange", () => document.hidden || socket.hurry());

  /** How long nothing was heard of the farm, in s, while the connection is lost; else 0. */
  const staleness = computed(() =>
    connection.value === "lost" ? Math.max(0, (now.value - heardAt.value.page) / 1000) : 0,
  );

  /** How old the picture of a printer is, in s; null where it has never said anything. */
  function ageOf(printer: Pick<LivePrinter, "told_at_s">): number | null {
    if (printer.told_at_s === null) return null;
    const server = heardAt.value.server + (now.value - heardAt.value.page) / 1000;
    return Math.max(0, server - printer.told_at_s);
  }

  /** The same in whole seconds, once that is worth a word; else null: rows change with it alone. */
  function oldAgeOf(printer: Pick<LivePrinter, "told_at_s"> | undefined): number | null {
    const seconds = printer ? ageOf(printer) : null;
    return seconds !== null && seconds > OLD_S ? Math.floor(seconds) : null;
  }

  function stop(): void {
    socket.stop();
    board.clear();
    known.value = false;
  }

  return {
    printers: board.printers,
    jobs: board.jobs,
    queue: board.queue,
    events: board.events,
    connection,
    /** How often a snapshot followed the first: some events and values passed unheard. */
    anew: board.anew,
    /** Whether there has been a snapshot: before it an empty farm is only an unknown one. */
    known,
    rights,
    staleness,
    ageOf,
    oldAgeOf,
    start: () => socket.start(),
    stop,
    retry: () => socket.hurry(),
  };
});
