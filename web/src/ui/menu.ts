import type { Component } from "vue";

/** One action of a menu. */
export interface MenuEntry {
  key: string;
  label: string;
  icon?: Component;
  danger?: boolean;
  disabled?: boolean;
  act: () => void;
}
