// Where a print is in its file, and what of it is not known.
import { mount, type VueWrapper } from "@vue/test-utils";
import { createPinia } from "pinia";
import { afterEach, beforeAll, beforeEach, expect, it, vi } from "vitest";
import { defineComponent, h, nextTick, ref, shallowRef } from "vue";

import { i18n, speak } from "@/i18n";
import type { LiveJob, LivePrinter } from "@/live/frames";
import { useLive } from "@/live/store";
import type { Layer } from "@/viewer/toolpath";

import FollowNote from "./FollowNote.vue";
import { useRunning } from "./running";

let tell: () => void;
let shown: VueWrapper;
const read = ref(0);
const layers = shallowRef([0, 100, 200].map((byte) => ({ byte }) as Layer));
const Note = defineComponent({
  setup() {
    const running = useRunning(() => "f1", () => "p1", layers, () => 1000, () => read.value);
    return () => h(FollowNote, { running, modelValue: true });
  },
});

function show(printId: string | null): void {
  const pinia = createPinia();
  shown = mount(Note, { global: { plugins: [pinia, i18n] } });
  const live = useLive(pinia);
  live.known = true;
  live.jobs.set("a", { id: "a", file_id: "f1" } as LiveJob);
  const printer = { id: "p1", name: "Cedar", progress: 0.5, print_id: printId, told_at_s: null };
  live.printers.set("p1", printer as LivePrinter);
}

beforeAll(() => speak("en", false));
beforeEach(() => {
  read.value = 1000;
  vi.stubGlobal("fetch", () => {
    const print = { id: "x1", job_id: "a", file_name: "a", copy_no: 1, number: 1 };
    return new Promise((resolve) => (tell = () => resolve(Response.json(print))));
  });
});
afterEach(() => {
  shown.unmount();
  vi.unstubAllGlobals();
});

it("says nothing of a print before it is known of which file it is", async () => {
  show("x1");
  await nextTick();
  await nextTick();
  expect(shown.text()).toBe("");
  tell();
  await vi.waitFor(() => expect(shown.text()).toContain("Cedar prints about layer 3"));
});

it("says that a printer without a print does not print the file", async () => {
  show(null);
  await nextTick();
  expect(shown.text()).toBe("The printer does not print this file now.");
});

it("does not know the layer while the file is not read so far", async () => {
  read.value = 300;
  show("x1");
  await nextTick();
  await nextTick();
  tell();
  const words = "The file is not read as far as the printer is.";
  await vi.waitFor(() => expect(shown.text()).toContain(words));
  read.value = 600;
  await nextTick();
  expect(shown.text()).toContain("Cedar prints about layer 3");
});
