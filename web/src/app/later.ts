// What is large comes when it is used, and not before all words are there.
import { defineAsyncComponent, type Component } from "vue";

import { speakWholly } from "@/i18n";

/** A component that is fetched when it is first shown, and the words of all pages with it. */
export function later<T extends Component>(load: () => Promise<{ default: T }>): T {
  return defineAsyncComponent(async () => (await Promise.all([load(), speakWholly()]))[0]);
}
