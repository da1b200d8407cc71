// What a page's own socket asks for, and which lines are kept of it.
import { effectScope, nextTick, ref } from "vue";
import { expect, it } from "vitest";

import type { SocketLike, Surroundings } from "@/live/socket";

import { KEPT_LINES, useFeed, withSaid, type Feed, type Line, type PageFrame } from "./feed";

const line = (seq: number): Line =>
  ({ seq, at: "2026-01-31T12:00:00Z", text: `line ${seq}`, speaker: "printer", error: false });
const frame = (type: "snapshot" | "patch", lines: Line[]): PageFrame =>
  ({ type, epoch: "e", seq: 1, at_s: 0, console: lines }) as PageFrame;

it("keeps each line once, the newest so many, and all anew after a snapshot", () => {
  const first = withSaid([], frame("snapshot", [line(1), line(2)]));
  const next = withSaid(first, frame("patch", [line(2), line(3)]));
  expect(next.map(({ seq }) => seq)).toEqual([1, 2, 3]);
  const many = Array.from({ length: KEPT_LINES + 7 }, (_, at) => line(at + 4));
  const full = withSaid(next, frame("patch", many));
  expect([full.length, full[0]?.seq]).toEqual([KEPT_LINES, 11]);
  // The server was started anew: its numbers begin again.
  expect(withSaid(full, frame("snapshot", [line(1)])).map(({ seq }) => seq)).toEqual([1]);
});

it("asks for a panel and a console while the page is open, and for nothing else", async () => {
  const opened: { url: string; socket: SocketLike; closed: boolean }[] = [];
  const around = {
    open(url: string) {
      const one = { url, closed: false, socket: {} as SocketLike };
      const close = () => (one.closed = true);
      one.socket = { onopen: null, onmessage: null, onclose: null, close };
      opened.push(one);
      return one.socket;
    },
    probe: async () => "fine",
    after: () => () => undefined,
    nextTurn: (act: () => void) => act(),
    random: () => 0,
  } as Surroundings;
  const id = ref<string | null>("a");
  const scope = effectScope();
  const feed = scope.run(() => useFeed(() => id.value, around)) as Feed;
  const asked = new URL(opened[0]?.url ?? "").searchParams;
  expect([asked.get("printer"), asked.get("topics")]).toEqual(["a", "panel,console"]);
  opened[0]?.socket.onopen?.();
  const panel = { position: { x: 1 }, homed: "x" };
  const told = { ...frame("snapshot", [line(1)]), panel };
  opened[0]?.socket.onmessage?.({ data: JSON.stringify(told) });
  expect(feed.levels.value).toEqual(panel);
  expect(feed.lines.value).toHaveLength(1);
  id.value = "b";
  await nextTick();
  expect([opened[0]?.closed, feed.levels.value, feed.lines.value]).toEqual([true, null, []]);
  scope.stop();
  expect(opened.map(({ closed }) => closed)).toEqual([true, true]);
});
