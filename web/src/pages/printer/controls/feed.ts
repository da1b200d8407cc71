// What one printer's panel and console say, live: asked for only while its page is open.
import { useEventListener } from "@vueuse/core";
import { onScopeDispose, shallowRef, watch, type ShallowRef } from "vue";

import type { components } from "@/api/schema";
import type { Frame } from "@/live/frames";
import { LiveSocket, type Connection } from "@/live/socket";
import { address, BROWSER } from "@/live/store";

export type Line = components["schemas"]["ConsoleLineOut"];
/** What changes while a machine works; mm, and shares: 1 is full, or as in the file. */
export interface Levels {
  position: Record<string, number>;
  homed: string | null;
  fans: Record<string, number>;
  speed: number | null;
  flow: number | null;
  z_offset: number | null;
  layer: number | null;
  layers: number | null;
}
export type PageFrame = Frame & { panel?: Levels; console?: Line[] };

/** So many lines are kept, as the server does. */
export const KEPT_LINES = 500;

/** The lines after a frame: a snapshot tells all of them, a patch what came since. */
export function withSaid(kept: readonly Line[], frame: PageFrame): readonly Line[] {
  const said = frame.console ?? [];
  if (frame.type === "snapshot") return said.slice(-KEPT_LINES);
  const last = kept.at(-1)?.seq ?? 0;
  const fresh = said.filter(({ seq }) => seq > last);
  return fresh.length ? [...kept, ...fresh].slice(-KEPT_LINES) : kept;
}

export interface Feed {
  /** Null before the printer has said any of it. */
  levels: ShallowRef<Levels | null>;
  lines: ShallowRef<readonly Line[]>;
  connection: ShallowRef<Connection>;
}

/** `printerId`: null where there is nothing to listen to. */
export function useFeed(printerId: () => string | null, around = BROWSER): Feed {
  const levels = shallowRef<Levels | null>(null);
  const lines = shallowRef<readonly Line[]>([]);
  const connection = shallowRef<Connection>("idle");
  let socket: LiveSocket | null = null;

  function take(frames: readonly PageFrame[]): boolean {
    for (const frame of frames) {
      if (frame.panel) levels.value = frame.panel;
      lines.value = withSaid(lines.value, frame);
    }
    return true;
  }
  function listen(id: string): LiveSocket {
    const query = new URLSearchParams({ printer: id, topics: "panel,console" });
    return new LiveSocket(`${address()}?${query}`, around, {
      place: () => null, // a panel is small: it is told anew
      take,
      beat: () => undefined,
      stands: (found) => (connection.value = found),
      rights: () => undefined, // the farm's own socket hears of them, too
    });
  }
  watch(
    printerId,
    (id) => {
      socket?.stop();
      levels.value = null;
      lines.value = [];
      socket = id === null ? null : listen(id);
      socket?.start();
    },
    { immediate: true },
  );
  useEventListener(window, "online", () => socket?.hurry());
  useEventListener(document, "visibilitychange", () => document.hidden || socket?.hurry());
  onScopeDispose(() => socket?.stop());
  return { levels, lines, connection };
}
