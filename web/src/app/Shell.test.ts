// What can be done from every page by a single key, and what is said on each.
import { VueQueryPlugin } from "@tanstack/vue-query";
import { flushPromises, mount, type VueWrapper } from "@vue/test-utils";
import { createPinia } from "pinia";
import { afterEach, beforeAll, beforeEach, expect, it, vi } from "vitest";
import { h, watch } from "vue";
import { createMemoryHistory, createRouter } from "vue-router";

import { i18n, speak } from "@/i18n";
import { useLive } from "@/live/store";
import { useNotices } from "@/ui/notices";

import ConnectionState from "./ConnectionState.vue";
import Shell from "./Shell.vue";

beforeAll(() => speak("en", false));

const notices = useNotices();
let shell: VueWrapper;
let live: ReturnType<typeof useLive>;
beforeEach(() => {
  const router = createRouter({
    history: createMemoryHistory(),
    routes: [{ path: "/:rest(.*)*", component: { render: () => null } }],
  });
  const plugins = [createPinia(), i18n, router, VueQueryPlugin];
  const page = {
    setup: () => void (live = useLive()),
    render: () => [h(Shell), h(ConnectionState)],
  };
  shell = mount(page, { global: { plugins } });
});
afterEach(() => shell.unmount());

it("says once that the connection is lost, in however many places it is shown", async () => {
  const said: string[] = [];
  const stop = watch(notices.said, (text) => said.push(text), { flush: "sync" });
  const say = vi.spyOn(notices.said as { value: string }, "value", "set");
  live.connection = "lost";
  await flushPromises();
  expect(say).toHaveBeenCalledOnce();
  say.mockRestore();
  live.connection = "live";
  await flushPromises();
  stop();
  expect(said.at(-1)).toBe("The connection is back.");
  expect(shell.findAllComponents(ConnectionState)).toHaveLength(2);
});

it("takes back by z what was done last, where something can be taken back", async () => {
  const press = async () => {
    window.dispatchEvent(new KeyboardEvent("keydown", { key: "z", cancelable: true }));
    await flushPromises();
  };
  await press();
  const act = vi.fn();
  notices.offer("Lamp was moved.", { label: "Undo", act });
  await press();
  await press();
  expect(act).toHaveBeenCalledOnce();
  expect(notices.list).toEqual([]);
});
