// A round of orders ends with the session that began it.
import { VueQueryPlugin } from "@tanstack/vue-query";
import { flushPromises, mount } from "@vue/test-utils";
import { createPinia } from "pinia";
import { afterEach, expect, it, vi } from "vitest";

import { useSession } from "@/app/session";

import { tellAll, type Order, type Outcome } from "./orders";
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

/** The outcomes that it is told. */
function begin(order: Order): Outcome[] {
  const ids = Array.from({ length: 20 }, (_, at) => `p${at}`);
  const asked = new Map(ids.map((id) => [id, { bedVersion: 1, printId: `of-${id}` }] as const));
  const { tell, signal } = useRound().begin(order, ids);
  const told: Outcome[] = [];
  const note = (one: Outcome) => (told.push(one), tell(one));
  void tellAll(order, asked, note, () => !signal.aborted);
  return told;
}

it.each([
  ["pause", 6],
  ["cancel", 6],
  ["clear_bed", 1], // one request for all of them
] as const)("sends no %s and tells of none once nobody is signed in", async (order, atOnce) => {
  const sent: Request[] = [];
  const answers: (() => void)[] = [];
  vi.stubGlobal("fetch", (request: Request) => {
    sent.push(request);
    const results = [{ printer_id: "p0", ok: true }];
    const taken = () => Response.json({ command_id: "c", results }, { status: 202 });
    return new Promise((resolve) => answers.push(() => resolve(taken())));
  });
  open();
  const told = begin(order);
  await flushPromises();
  expect(sent).toHaveLength(atOnce);
  useSession().me = null;
  signIn("bob");
  for (const answer of answers) answer();
  await flushPromises();
  expect(sent).toHaveLength(atOnce);
  expect(told).toEqual([]);
  expect(useRound().present).toBeNull();
  begin(order);
  await flushPromises();
  expect(sent).toHaveLength(2 * atOnce);
});
