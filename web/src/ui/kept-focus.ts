// Keeps the focus of whoever works by keyboard where the thing that has it comes and goes.
import { useEventListener } from "@vueuse/core";
import { nextTick, watch, type ShallowRef, type WatchSource } from "vue";

import { awaitRelease } from "./held-key";

type Box = Readonly<ShallowRef<HTMLElement | null>>;

function give(taker: HTMLElement | null, options?: FocusOptions): void {
  if (taker === null) return;
  taker.focus(options);
  awaitRelease(taker);
}

/** `box` can take the focus itself; `changes` are what the buttons in it come and go with. */
export function useKeptFocus(box: Box, changes: WatchSource[]): void {
  watch(changes, async () => {
    const held = box.value?.contains(document.activeElement);
    await nextTick();
    if (!held || box.value?.contains(document.activeElement)) return;
    give(box.value?.querySelector<HTMLElement>("button, a") ?? box.value);
  });
}

/** A row that has the focus, or had it when a dialog took it. */
interface Held {
  row: Element;
  list: Element;
  at: number;
  section: Element | null;
}

const OVER_THE_PAGE = "[role=dialog], [role=alertdialog], [role=menu]";
const OPERABLE = "a, button, input, label, select, summary, textarea";
const placeOf = ({ row, list }: Pick<Held, "row" | "list">) => [...list.children].indexOf(row);

/**
 * Where the row of a list in `box` that has the focus goes, the name of the row that takes its
 * place gets it, else what heads the section or the page. Never a button: whoever presses Enter
 * once too often would act on a row that nobody looked at. `changes` are what the rows come and go
 * with; `settle` is for a dialog that was asked from a row and has closed, as the row may be gone
 * by then.
 */
export function useKeptRow(box: Box, changes: WatchSource[]): { settle: () => void } {
  let held: Held | null = null;
  let byKeys = false;
  /** The pointer is on plain text, which the row itself may get the focus by. */
  let reads = false;

  function note({ type, target }: Event): void {
    if (!(target instanceof Element)) return;
    if (type !== "focusin") byKeys = type === "keydown";
    if (type === "keydown") reads = false;
    if (type === "keydown" || target.closest(OVER_THE_PAGE)) return;
    if (type === "pointerdown") reads = !target.closest(OPERABLE);
    const touched = reads && (type === "pointerdown" || target.matches("li"));
    held = !touched && box.value?.contains(target) ? holding(target) : null;
  }
  useEventListener(document, ["focusin", "keydown", "pointerdown"], note, { capture: true });

  function check(): void {
    if (held === null || held.row.isConnected) return;
    const active = document.activeElement;
    if (active?.closest(OVER_THE_PAGE)) return; // it is settled when that has closed
    const { list, at, section } = held;
    held = null;
    if (active !== null && active !== document.body) return;
    const rows = list.isConnected ? list.children : [];
    const next = rows[Math.min(at, rows.length - 1)];
    const taker = next ? nameOf(next) : head(section?.isConnected ? section : document);
    // The view is only moved for whoever goes on by keys from there.
    give(taker, { preventScroll: !byKeys });
  }
  watch(changes, async () => {
    if (held?.row.isConnected) held.at = placeOf(held);
    await nextTick();
    check();
  });
  return { settle: () => void setTimeout(check, 0) };
}

function holding(target: Element): Held | null {
  const row = target.closest("li");
  const list = row?.parentElement ?? null;
  return row && list && { row, list, at: placeOf({ row, list }), section: row.closest("section") };
}

/** The link that a row is named by; the row itself where its name is none. */
function nameOf(row: Element): HTMLElement {
  const link = row.querySelector<HTMLElement>("a[href]:not([data-act])");
  if (link) return link;
  (row as HTMLElement).tabIndex = -1;
  return row as HTMLElement;
}

/** What heads it, which can take the focus from then on. */
export function head(within: ParentNode): HTMLElement | null {
  const found = within.querySelector<HTMLElement>("h1, h2");
  if (found) found.tabIndex = -1;
  return found;
}
