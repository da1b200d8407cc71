// What the page says of a file, by what its worker tells.
import { QueryClient, VueQueryPlugin } from "@tanstack/vue-query";
import { flushPromises, mount, type VueWrapper } from "@vue/test-utils";
import { createPinia } from "pinia";
import { afterEach, beforeAll, beforeEach, expect, it, vi } from "vitest";
import { createMemoryHistory, createRouter } from "vue-router";

import { i18n, speak } from "@/i18n";
import { useNotices } from "@/ui/notices";
import type { FromWorker } from "@/viewer/messages";
import { emptyBox } from "@/viewer/toolpath";

import LayersPage from "./LayersPage.vue";

class StubWorker {
  onmessage?: (told: { data: FromWorker }) => void;
  onerror?: (what: Event) => void;
  constructor() {
    workers.push(this);
  }
  postMessage(): void {
    // nobody reads
  }
  terminate(): void {
    // nothing runs
  }
}
const workers: StubWorker[] = [];
let shown: VueWrapper;
beforeAll(() => speak("en", false));
beforeEach(async () => {
  vi.stubGlobal("Worker", StubWorker);
  vi.stubGlobal("fetch", async () => Response.json({ id: "f", name: "part.gcode", size: 20 }));
  const router = createRouter({
    history: createMemoryHistory(),
    routes: [{ path: "/files", name: "files", component: { render: () => null } }],
  });
  await router.push("/files?view=list");
  const queryClient = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  const plugins = [createPinia(), i18n, router, [VueQueryPlugin, { queryClient }] as never];
  shown = mount(LayersPage, { props: { id: "f" }, global: { plugins } });
  await vi.waitFor(() => expect(workers).toHaveLength(1));
});
afterEach(() => {
  shown.unmount();
  workers.length = 0;
  useNotices().forget();
  vi.unstubAllGlobals();
});

async function read(whole: boolean): Promise<void> {
  const layers = [0, 1].map((first) => ({
    first, z: 1, byte: 0, prints: 1, travels: 0, printed: 1, travelled: 0, kinds: [],
  }));
  const about = { bytes: 10, size: 20, from: 0, box: emptyBox() };
  workers[0]?.onmessage?.({ data: { type: "read", ...about, layers, ended: true, whole } });
  const trouble = { kind: "lost" } as const;
  if (!whole) workers[0]?.onmessage?.({ data: { type: "trouble", trouble } });
  await flushPromises();
}

it("says that the file was read where all of it was", async () => {
  await read(true);
  expect(useNotices().said.value).toBe("The file was read: 2 layers.");
});

it("does not say so where reading broke off, and says why it did", async () => {
  await read(false);
  expect(useNotices().said.value).toBe("");
  expect(shown.get("[role=alert]").text()).toContain("The server does not answer.");
});
