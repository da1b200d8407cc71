// What can be done from every page by a single key.
import { VueQueryPlugin } from "@tanstack/vue-query";
import { flushPromises, mount } from "@vue/test-utils";
import { createPinia } from "pinia";
import { beforeAll, expect, it, vi } from "vitest";
import { createMemoryHistory, createRouter } from "vue-router";

import { i18n, speak } from "@/i18n";
import { useNotices } from "@/ui/notices";

import Shell from "./Shell.vue";

beforeAll(() => speak("en", false));

it("takes back by u what was done last, where something can be taken back", async () => {
  const router = createRouter({
    history: createMemoryHistory(),
    routes: [{ path: "/:rest(.*)*", component: { render: () => null } }],
  });
  const plugins = [createPinia(), i18n, router, VueQueryPlugin];
  const shell = mount(Shell, { global: { plugins } });
  const notices = useNotices();
  const press = async () => {
    window.dispatchEvent(new KeyboardEvent("keydown", { key: "u", cancelable: true }));
    await flushPromises();
  };
  await press();
  const act = vi.fn();
  notices.offer("Lamp was moved.", { label: "Undo", act });
  await press();
  await press();
  expect(act).toHaveBeenCalledOnce();
  expect(notices.list).toEqual([]);
  shell.unmount();
});
