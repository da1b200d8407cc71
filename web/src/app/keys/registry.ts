// Single keys that do something. Each page declares its own here, and here alone, so that the help
// always says what is so. They can be switched off (WCAG 2.1.4), and rest while somebody types.
import { useEventListener, useLocalStorage } from "@vueuse/core";
import { onScopeDispose, shallowReactive, type Ref } from "vue";

type Letter =
  | "a" | "b" | "c" | "d" | "e" | "f" | "g" | "h" | "i" | "j" | "k" | "l" | "m"
  | "n" | "o" | "p" | "q" | "r" | "s" | "t" | "u" | "v" | "w" | "x" | "y" | "z";
/** One key, or two pressed one after the other. */
export type KeyName = Exclude<Letter, "g"> | "/" | "?" | `g ${Letter}`;

export interface Key {
  keys: KeyName;
  /** The key of its words. */
  label: string;
  act: () => void;
  /** Whether it is offered now; without it, always. */
  when?: () => boolean;
  /** Whether it goes on doing it while it is held down. */
  repeats?: boolean;
}

export interface KeyGroup {
  /** The key of the words over the group. */
  title: string;
  keys: readonly Key[];
}

/** How long the first of two keys waits for the second, in ms. */
export const PATIENCE_MS = 1500;
const FIRSTS: readonly string[] = ["g"];

const groups = shallowReactive<KeyGroup[]>([]);
const chosen = useLocalStorage("buildplate.shortcuts", true, { writeDefaults: false });

/** Whether single keys do anything; remembered in this browser. */
export function useShortcuts(): Ref<boolean> {
  return chosen;
}

/** Declare keys for as long as the component lives. Two for the same are a mistake of ours. */
export function useKeys(title: string, keys: readonly Key[]): void {
  const group: KeyGroup = { title, keys };
  if (import.meta.env.DEV) {
    const known = new Set(groups.flatMap((one) => one.keys.map((key) => key.keys)));
    for (const { keys: name } of keys) {
      if (known.has(name)) throw new Error(`the key ${name} is declared twice`);
      known.add(name);
    }
  }
  groups.push(group);
  onScopeDispose(() => groups.splice(groups.indexOf(group), 1));
}

const isOffered = (key: Key): boolean => key.when === undefined || key.when();

/** What can be pressed here and now, group by group; those of the page come first. */
export function offeredKeys(): KeyGroup[] {
  return [...groups]
    .reverse()
    .map(({ title, keys }) => ({ title, keys: keys.filter(isOffered) }))
    .filter(({ keys }) => keys.length > 0);
}

const NO_TEXT: readonly string[] = ["button", "checkbox", "file", "radio", "reset", "submit"];
const TAKES_TEXT =
  "textarea, select, [contenteditable]:not([contenteditable=false]), " +
  "[role=textbox], [role=searchbox], [role=combobox], [role=spinbutton]";
const COVERS = "[role=dialog], [role=alertdialog], [role=menu], dialog[open]";

/** Whether what is typed there is meant as text. */
export function isField(target: EventTarget | null): boolean {
  if (!(target instanceof Element)) return false;
  if (target instanceof HTMLInputElement) return !NO_TEXT.includes(target.type);
  return target.closest(TAKES_TEXT) !== null;
}

/** Whether something lies over the page that has the keyboard for itself. */
export function isCovered(): boolean {
  return document.querySelector(COVERS) !== null;
}

function isForUs(event: KeyboardEvent): boolean {
  if (event.defaultPrevented || event.isComposing) return false;
  if (event.ctrlKey || event.metaKey || event.altKey) return false;
  return !isField(event.target) && !isCovered();
}

function find(name: string): Key | undefined {
  const all = groups.flatMap(({ keys }) => keys);
  return all.find((key) => key.keys === name && isOffered(key));
}

/** What was pressed, as keys are named: a letter is a capital only where Shift makes it one. */
function signOf(event: KeyboardEvent): string {
  return event.shiftKey ? event.key : event.key.toLowerCase();
}

/** Listen for the declared keys while the component lives. */
export function useKeyboard(): void {
  let first = { sign: "", at: 0 };
  useEventListener(window, "keydown", (event) => {
    const waited = event.timeStamp - first.at < PATIENCE_MS ? first.sign : "";
    first = { sign: "", at: 0 };
    if (!chosen.value || !isForUs(event)) return;
    const sign = signOf(event);
    const key = (waited && find(`${waited} ${sign}`)) || find(sign);
    if (key && (key.repeats || !event.repeat)) {
      event.preventDefault();
      key.act();
    } else if (FIRSTS.includes(sign)) first = { sign, at: event.timeStamp };
  });
}

/** Whether this is an Apple keyboard, where ⌘ has the place of Ctrl. */
export const IS_APPLE = /Mac|iPhone|iPad/.test(navigator.userAgent);

/** Whether the keys ask for the palette; they have a modifier, so they work everywhere. */
export function asksForPalette(event: KeyboardEvent): boolean {
  const held = IS_APPLE ? event.metaKey && !event.ctrlKey : event.ctrlKey && !event.metaKey;
  return held && !event.altKey && !event.shiftKey && event.key.toLowerCase() === "k";
}
