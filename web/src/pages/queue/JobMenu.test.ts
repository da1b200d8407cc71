// What a job's menu does is said: while it is being done, and once the server has taken it.
import { VueQueryPlugin } from "@tanstack/vue-query";
import { flushPromises, mount, type VueWrapper } from "@vue/test-utils";
import { createPinia } from "pinia";
import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { i18n, speak } from "@/i18n";
import type { LiveJob } from "@/live/frames";
import { useNotices } from "@/ui/notices";

import JobQuestion from "./JobQuestion.vue";

const JOB = {
  id: "j", number: 3, name: "Shade", state: "queued", hold: false, copies: 2, finished: 0,
  active: 0, queued: 2,
} as unknown as LiveJob;
const posted: string[] = [];
let shown: VueWrapper;

function show(component: object, props: object): void {
  const plugins = [i18n, createPinia(), VueQueryPlugin];
  shown = mount(component, { global: { plugins }, props, attachTo: document.body });
}
const said = () => useNotices().list.map(({ text }) => text);
async function press(word: string): Promise<void> {
  const all = [...document.querySelectorAll<HTMLElement>("button, [role=menuitem]")];
  all.find((one) => one.textContent?.trim() === word)?.click();
  await flushPromises();
}

beforeEach(async () => {
  await speak("en", false);
  posted.length = 0;
  useNotices().forget();
  vi.stubGlobal("fetch", async (request: Request) => {
    posted.push(new URL(request.url).pathname.replace("/api/v1/jobs/j/", ""));
    return Response.json({ ...JOB, number: 4 });
  });
});
afterEach(() => {
  shown.unmount();
  vi.unstubAllGlobals();
});

it("says of a job that it is being cancelled once the server has taken it", async () => {
  show(JobQuestion, { modelValue: { kind: "cancel", job: JOB } });
  await flushPromises();
  expect(said()).toEqual([]);
  await press("Cancel the job");
  expect(posted).toEqual(["cancel"]);
  expect(said()).toEqual(["Shade is being cancelled."]);
});
