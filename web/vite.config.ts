// How the UI is built, served while developing, and tested.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import tailwindcss from "@tailwindcss/vite";
import vue from "@vitejs/plugin-vue";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

const SERVER = process.env["BUILDPLATE_URL"] ?? "http://127.0.0.1:4000";
// The server checks that a change comes from its own pages: so the proxy keeps the page's host.
const proxied = { target: SERVER, ws: true, changeOrigin: false };

const TITLE = "?title";
/** Of a page's words only their title, which links to it need: `queue.json?title`. */
const titles: Plugin = {
  name: "titles",
  enforce: "pre",
  load(id) {
    if (!id.endsWith(TITLE)) return undefined;
    const { title } = JSON.parse(readFileSync(id.slice(0, -TITLE.length), "utf8"));
    return { code: `export default ${JSON.stringify(title ?? null)};`, moduleType: "js" };
  },
};

/** What the pages share: each entry is one file. */
const VENDORS = "@vue|vue|vue-router|pinia|vue-i18n|@intlify|@vueuse|openapi-fetch|@tanstack";
const TOGETHER = [
  { name: "vendor", test: new RegExp(`node_modules/(${VENDORS})/`) },
  { name: "icons", test: /@lucide/, minShareCount: 2 },
  { name: "parts", test: /src\/(ui|live|api|app)\/|plugin-vue:export-helper/, minShareCount: 4 },
];

export default defineConfig({
  plugins: [titles, vue(), tailwindcss()],
  resolve: { alias: { "@": fileURLToPath(new URL("./src", import.meta.url)) } },
  define: {
    __VUE_OPTIONS_API__: "false",
    __VUE_I18N_LEGACY_API__: "false",
    __INTLIFY_PROD_DEVTOOLS__: "false",
  },
  build: {
    // Inside the Python package: the one place where the server looks, installed or not.
    outDir: "../src/buildplate/api/web_dist",
    emptyOutDir: true,
    target: "es2022",
    // The server's policy allows no data: scripts or fonts, and small files are cheap.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    manifest: true,
    sourcemap: false,
    // Each file is a request: what nearly every page needs comes in few.
    rolldownOptions: { output: { codeSplitting: { groups: TOGETHER } } },
  },
  server: {
    proxy: Object.fromEntries(["/api", "/ws", "/media", "/health"].map((at) => [at, proxied])),
  },
  test: {
    environment: "happy-dom",
    include: ["src/**/*.test.ts", "tests/**/*.test.ts"],
    clearMocks: true,
    setupFiles: ["src/test-patience.ts"],
    testTimeout: 15_000,
    hookTimeout: 15_000,
  },
});
