// One thing that the palette finds.
import type { Component } from "vue";

export const KINDS = ["action", "page", "printer", "job", "file", "setting"] as const;
export type Kind = (typeof KINDS)[number];

export interface Entry {
  key: string;
  kind: Kind;
  label: string;
  /** What is said beside the name: a state, a number. */
  about: string;
  /** What else it may be found by. */
  words: readonly string[];
  icon: Component;
  /** Whether it leads to another page, where the focus begins anew. */
  goes: boolean;
  act: () => void;
}
