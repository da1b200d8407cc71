// Going through a page's rows or cards by keys: the one with the focus is the one that is meant.
const ROW = { block: "nearest", inline: "nearest" } as const;

export interface Rows {
  /** The row that has the focus, or in which something has it. */
  present(): HTMLElement | null;
  /** Give the focus to the next row, or the one before; at the ends it stays. */
  step(by: -1 | 1): void;
}

/** The rows that this selector finds in the page's content; each can have the focus. */
export function rowsOf(selector: string): Rows {
  const present = () => document.activeElement?.closest<HTMLElement>(selector) ?? null;
  return {
    present,
    step(by) {
      const all = [...document.querySelectorAll<HTMLElement>(selector)];
      const row = present();
      const at = row === null ? (by > 0 ? -1 : all.length) : all.indexOf(row);
      const next = all[Math.min(Math.max(at + by, 0), all.length - 1)];
      next?.focus({ preventScroll: true });
      next?.scrollIntoView(ROW);
    },
  };
}

/** Press what a row has for this, if it has it: the same button, with its question and its wait. */
export function pressIn(row: HTMLElement | null, selector: string): boolean {
  const button = row?.querySelector<HTMLElement>(selector);
  button?.click();
  return Boolean(button);
}
