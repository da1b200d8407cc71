// What was just done can be taken back: by a button, by a key, and only the last of it.
import { flushPromises, mount, type VueWrapper } from "@vue/test-utils";
import { afterEach, beforeAll, expect, it, vi } from "vitest";

import { Problem } from "@/api/problem";
import { i18n, speak } from "@/i18n";

import NoticeRegion from "./NoticeRegion.vue";
import { useNotices } from "./notices";
import { useUndo, type OfferUndo } from "./undo";

const notices = useNotices();
let shown: VueWrapper[] = [];
beforeAll(() => speak("en", false));
afterEach(() => {
  for (const one of shown) one.unmount();
  shown = [];
  notices.forget();
});

function open(): { region: VueWrapper; offer: OfferUndo } {
  let offer: OfferUndo = () => undefined;
  const page = { setup: () => void (offer = useUndo()), render: () => null };
  const global = { plugins: [i18n] };
  const region = mount(NoticeRegion, { global, attachTo: document.body });
  shown = [region, mount(page, { global })];
  return { region, offer };
}
const undo = (region: VueWrapper) =>
  region.findAll("button").find((one) => one.text() === "Undo");

it("is offered by a button, said once, and done once", async () => {
  const { region, offer } = open();
  let done: () => void = () => undefined;
  const back = vi.fn(() => new Promise<void>((resolve) => (done = resolve)));
  offer("Vase is on hold.", back);
  await flushPromises();
  const said = region.findAll("[role=status]").map((one) => one.text());
  expect(said).toEqual(["Vase is on hold. It can be undone."]);
  await undo(region)?.trigger("click");
  await undo(region)?.trigger("click");
  expect(undo(region)?.attributes("aria-busy")).toBe("true");
  done();
  await flushPromises();
  expect(back).toHaveBeenCalledOnce();
  expect(notices.list.map((one) => one.text)).toEqual(["Undone: Vase is on hold."]);
});

it.each([
  [new Problem(409, { code: "job_ended", detail: "it ended" }), "Not undone: Vase is on hold."],
  [new Problem(0), "It is not known whether this was undone: Vase is on hold."],
])("says where it was refused, and claims nothing where nobody answered", async (problem, text) => {
  const { region, offer } = open();
  offer("Vase is on hold.", () => Promise.reject(problem));
  await flushPromises();
  await undo(region)?.trigger("click");
  await flushPromises();
  expect(region.findAll("[role=alert]")).toHaveLength(1);
  expect(region.get("[role=alert]").text()).toContain(text);
});

it("is of what was done last alone, and stays until it is used or closed", async () => {
  vi.useFakeTimers();
  try {
    const { offer } = open();
    offer("Vase is on hold.", () => undefined);
    offer("Lamp is on hold.", () => undefined);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(notices.list.map((one) => one.text)).toEqual(["Lamp is on hold."]);
    expect(notices.undoable.value?.text).toBe("Lamp is on hold.");
    notices.close(notices.list[0]?.id ?? 0);
    expect(notices.undoable.value).toBeNull();
  } finally {
    vi.useRealTimers();
  }
});
