// What a job's menu does is said: while it is being done, and once the server has taken it.
import { VueQueryPlugin } from "@tanstack/vue-query";
import { flushPromises, mount, type VueWrapper } from "@vue/test-utils";
import { createPinia } from "pinia";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { h } from "vue";
import { createMemoryHistory, createRouter } from "vue-router";

import { i18n, speak } from "@/i18n";
import type { LiveJob } from "@/live/frames";
import { useNotices } from "@/ui/notices";

import { provideJobQuestion } from "./job-question";
import JobMenu from "./JobMenu.vue";
import JobQuestion from "./JobQuestion.vue";

const JOB = {
  id: "j", number: 3, name: "Shade", state: "queued", hold: false, copies: 2, finished: 0,
  active: 0, queued: 2,
} as unknown as LiveJob;
const posted: string[] = [];
let shown: VueWrapper;
/** What the server's answers wait for. */
let answered: Promise<void>;

function show(component: object, props: object): void {
  const routes = [{ path: "/", component: { render: () => null } }];
  const router = createRouter({ history: createMemoryHistory(), routes });
  const plugins = [i18n, createPinia(), VueQueryPlugin, router];
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
  answered = Promise.resolve();
  useNotices().forget();
  vi.stubGlobal("fetch", async (request: Request) => {
    posted.push(new URL(request.url).pathname.replace("/api/v1/jobs/j/", ""));
    await answered;
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

const page = {
  props: ["job"],
  setup(props: { job: LiveJob }) {
    provideJobQuestion();
    return () => h(JobMenu, { job: props.job });
  },
};
const trigger = () => shown.get<HTMLElement>("button");

it.each([
  ["Hold", {}, "hold", "Shade is on hold."],
  ["Release", { hold: true }, "release", "Shade is released."],
  ["Retry the missing copies", { queued: 1 }, "retry", "Shade: the missing copies wait again."],
  ["Print again", {}, "duplicate", "Job 4 was ordered."],
])("shows that it is being done, and says when it is: %s", async (word, changes, path, words) => {
  let answer = (): void => undefined;
  answered = new Promise((resolve) => (answer = resolve));
  show(page, { job: { ...JOB, ...changes } });
  await trigger().trigger("click");
  await vi.waitFor(() => expect(document.querySelector("[role=menuitem]")).not.toBeNull());
  await press(word);
  await vi.waitFor(() => expect(posted).toEqual([path]));
  expect(trigger().attributes("aria-busy")).toBe("true");
  expect(trigger().get("svg").attributes("class")).toContain("loader");
  expect(said()).toEqual([]);
  answer();
  await vi.waitFor(() => expect(said()).toEqual([words]));
  await flushPromises();
  expect(trigger().get("svg").attributes("class")).not.toContain("loader");
});
