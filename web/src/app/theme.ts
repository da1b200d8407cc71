// Light, dark or as the system has it; remembered in this browser (public/theme.js reads it first).
import { useLocalStorage } from "@vueuse/core";
import { watch } from "vue";

export const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

const chosen = useLocalStorage<Theme>("buildplate.theme", "system", { writeDefaults: false });

watch(
  chosen,
  (theme) => {
    const root = document.documentElement;
    if (theme === "system") delete root.dataset["theme"];
    else root.dataset["theme"] = theme;
  },
  { immediate: true },
);

/** The chosen theme; set it to change it. */
export function useTheme(): typeof chosen {
  return chosen;
}
