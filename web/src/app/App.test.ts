// Which component shows a page, as one goes from address to address.
import { flushPromises, mount } from "@vue/test-utils";
import { createPinia } from "pinia";
import { beforeAll, expect, it } from "vitest";
import { ref } from "vue";
import { createMemoryHistory, createRouter } from "vue-router";

import { i18n, speak } from "@/i18n";

import App from "./App.vue";

beforeAll(() => speak("en", false));

it("makes a page anew for another id, and leaves it for another question of the same", async () => {
  let made = 0;
  const Thing = {
    props: ["id"],
    setup: () => ({ began: ref((made += 1)) }),
    template: "<p>{{ id }} made {{ began }}</p>",
  };
  const router = createRouter({
    history: createMemoryHistory(),
    routes: [{ path: "/things/:id", component: Thing, props: true }],
  });
  await router.push("/things/a");
  const stubs = { Shell: { template: "<div><slot /></div>" } };
  const app = mount(App, { global: { plugins: [createPinia(), i18n, router], stubs } });
  await flushPromises();
  expect(app.text()).toContain("a made 1");
  await router.push("/things/a?view=list");
  await flushPromises();
  expect(app.text()).toContain("a made 1");
  await router.push("/things/b");
  await flushPromises();
  expect(app.text()).toContain("b made 2");
  app.unmount();
});
