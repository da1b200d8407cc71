// A key that is held down presses once: what it pressed may have made room for something else.

/** Stop what the browser makes of a press that only repeats itself. */
export function pressOnce(event: KeyboardEvent): void {
  if (event.repeat && ["Enter", " "].includes(event.key)) event.preventDefault();
}

/** Have `taker`, which has been given the focus, make nothing of a key that is still held. */
export function awaitRelease(taker: HTMLElement): void {
  taker.addEventListener("keydown", pressOnce);
  const released = () => taker.removeEventListener("keydown", pressOnce);
  document.addEventListener("keyup", released, { capture: true, once: true });
}
