// Keeps the focus of whoever works by keyboard where the thing that has it comes and goes.
import { useEventListener } from "@vueuse/core";
import { nextTick, watch, type ShallowRef, type WatchSource } from "vue";

type Box = Readonly<ShallowRef<HTMLElement | null>>;

/** `box` can take the focus itself; `changes` are what the buttons in it come and go with. */
export function useKeptFocus(box: Box, changes: WatchSource[]): void {
  watch(changes, async () => {
    const held = box.value?.contains(document.activeElement);
    await nextTick();
    if (!held || box.value?.contains(document.activeElement)) return;
    (box.value?.querySelector<HTMLElement>("button, a") ?? box.value)?.focus();
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
const placeOf = ({ row, list }: Pick<Held, "row" | "list">) => [...list.children].indexOf(row);

/**
 * Where the row of a list in `box` that has the focus goes, the row that takes its place gets it,
 * else what heads the section or the page. `changes` are what the rows come and go with; `settle`
 * is for a dialog that was asked from a row and has closed, as the row may be gone by then.
 */
export function useKeptRow(box: Box, changes: WatchSource[]): { settle: () => void } {
  let held: Held | null = null;

  function note({ target }: Event): void {
    if (!(target instanceof Element) || target.closest(OVER_THE_PAGE)) return;
    const row = box.value?.contains(target) ? target.closest("li") : null;
    const list = row?.parentElement ?? null;
    const section = row?.closest("section") ?? null;
    held = row && list && { row, list, at: placeOf({ row, list }), section };
  }
  useEventListener(document, ["focusin", "pointerdown"], note);

  function check(): void {
    if (held === null || held.row.isConnected) return;
    const active = document.activeElement;
    if (active?.closest(OVER_THE_PAGE)) return; // it is settled when that has closed
    const { list, at, section } = held;
    held = null;
    if (active !== null && active !== document.body) return;
    const rows = list.isConnected ? list.children : [];
    const next = rows[Math.min(at, rows.length - 1)];
    if (next) actionOf(next)?.focus();
    else head(section?.isConnected ? section : document)?.focus();
  }
  watch(changes, async () => {
    if (held?.row.isConnected) held.at = placeOf(held);
    await nextTick();
    check();
  });
  return { settle: () => void setTimeout(check, 0) };
}

function actionOf(row: Element): HTMLElement | null {
  const found = ["[data-act]", "button", "a[href]"].map((one) => row.querySelector(one));
  return (found.find((one) => one !== null) ?? row) as HTMLElement;
}

function head(within: ParentNode): HTMLElement | null {
  const found = within.querySelector<HTMLElement>("h1, h2");
  if (found) found.tabIndex = -1;
  return found;
}
