// A round of orders ends with the session that began it.
import { VueQueryPlugin } from "@tanstack/vue-query";
import { flushPromises, mount } from "@vue/test-utils";
import { createPinia } from "pinia";
import { afterEach, expect, it, vi } from "vitest";

import { useSession } from "@/app/session";

import { tellAll, type Order } from "./orders";
import { useRound } from "./round";

afterEach(() => void vi.unstubAllGlobals());

function signIn(name: string): void {
  useSession().me = { name, role: "operator" } as never;
}

function open(): void {
  const page = { setup: () => void useRound(), render: () => null };
  mount(page, { global: { plugins: [createPinia(), VueQueryPlugin] } });
  signIn("ann");
}

function begin(order: Order): void {
  const ids = Array.from({ length: 20 }, (_, at) => `p${at}`);
  const asked = new Map(ids.map((id) => [id, { bedVersion: 1, printId: `of-${id}` }] as const));
  const { tell, signal } = useRound().begin(order, ids);
  void tellAll(order, asked, tell, () => !signal.aborted);
}

it.each(["pause", "cancel"] as const)("sends no %s once nobody is signed in", async (order) => {
  const sent: Request[] = [];
  const answers: (() => void)[] = [];
  vi.stubGlobal("fetch", (request: Request) => {
    sent.push(request);
    const taken = () => Response.json({ command_id: "c" }, { status: 202 });
    return new Promise((resolve) => answers.push(() => resolve(taken())));
  });
  open();
  begin(order);
  await flushPromises();
  expect(sent).toHaveLength(6);
  useSession().me = null;
  signIn("bob");
  for (const answer of answers) answer();
  await flushPromises();
  expect(sent).toHaveLength(6);
  expect(useRound().present).toBeNull();
  begin(order);
  await flushPromises();
  expect(sent).toHaveLength(12);
});
