// The groups are read once for all who need them, whoever is the first.
import { QueryClient, VueQueryPlugin } from "@tanstack/vue-query";
import { flushPromises, mount, type VueWrapper } from "@vue/test-utils";
import { createPinia } from "pinia";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { Component } from "vue";
import { createMemoryHistory, createRouter } from "vue-router";

import { i18n, speak } from "@/i18n";
import DescriptionForm from "@/pages/printer/form/DescriptionForm.vue";
import DemandFields from "@/pages/queue/DemandFields.vue";
import { demandsOf } from "@/pages/queue/demands";
import OrderDialog from "@/pages/queue/OrderDialog.vue";

import GroupsField from "./GroupsField.vue";

const shown: VueWrapper[] = [];
const file = { id: "f", name: "vase.gcode", state: "ready" };

beforeEach(async () => {
  await speak("en", false);
  const fetched = async ({ url }: Request) => {
    const items = url.includes("/groups") ? [{ id: "g", name: "hall 1" }] : [file];
    return Response.json({ items, next_cursor: null });
  };
  vi.stubGlobal("fetch", vi.fn(fetched));
});
afterEach(() => {
  for (const one of shown.splice(0)) one.unmount();
  vi.unstubAllGlobals();
});

const description = { name: "", model: "", nozzles: "", group: "", location: "", tags: "" };
const NOTHING = {
  printers: [], materials: [], tags_all: [], tags_none: [],
} as unknown as Parameters<typeof demandsOf>[0];
const FORMS: Record<string, [Component, object]> = {
  settings: [GroupsField, { modelValue: [] }],
  printer: [DescriptionForm, { modelValue: description, faults: {}, refused: {} }],
  demands: [DemandFields, { modelValue: demandsOf(NOTHING), faults: { fields: {}, slots: [] } }],
  order: [OrderDialog, { open: true }],
};
const names = Object.keys(FORMS);
const pairs = names.flatMap((first) => names.map((second) => [first, second] as const));

it.each(pairs)("has the groups in %s and then in %s", async (...pair) => {
  const client = new QueryClient({ defaultOptions: { queries: { staleTime: 60_000 } } });
  const router = createRouter({
    history: createMemoryHistory(),
    routes: [{ path: "/", component: { render: () => null } }],
  });
  const queries: [typeof VueQueryPlugin, object] = [VueQueryPlugin, { queryClient: client }];
  for (const name of pair) {
    const [form, props] = FORMS[name] as [Component, object];
    const plugins = [i18n, createPinia(), router, queries];
    shown.push(mount(form, { global: { plugins }, props, attachTo: document.body }));
    await flushPromises();
    expect(document.body.innerHTML).toContain("hall 1");
    for (const one of shown.splice(0)) one.unmount();
  }
});
