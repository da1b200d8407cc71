// Starts the UI: the language first, then the first page.
import "@/ui/tokens.css";

import { QueryClient, VueQueryPlugin } from "@tanstack/vue-query";
import { createPinia } from "pinia";
import { createApp } from "vue";

import { Problem } from "@/api/problem";
import { firstLanguage, i18n, speak, speakWholly } from "@/i18n";
import { useNotices } from "@/ui/notices";

import App from "./App.vue";
import { askAhead, guard, router } from "./router";

const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      refetchOnWindowFocus: false,
      // What was refused will be refused again; what did not arrive may arrive now.
      retry: (count, error) => count < 2 && (!(error instanceof Problem) || error.status === 0),
    },
    mutations: { retry: false },
  },
});

/** When the rest of the words is fetched, after the first page is there. */
const SOON_MS = 1000;

async function start(): Promise<void> {
  const words = speak(firstLanguage(), false, "first");
  const app = createApp(App);
  app.use(createPinia()).use(i18n).use(VueQueryPlugin, { queryClient });
  // A page of an older build is gone from the server: say so, and let the person choose when.
  window.addEventListener("vite:preloadError", () => useNotices().offerReload());
  app.runWithContext(askAhead); // after the words: nothing is shown without them
  await words;
  app.runWithContext(guard);
  app.use(router);
  app.mount("#app");
  // The words of what may come on any page: problems, the palette, the keys.
  await router.isReady().catch(() => undefined);
  setTimeout(() => void speakWholly().catch(() => undefined), SOON_MS);
}

void start();
