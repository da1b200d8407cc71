// The picture on a card: asked for once, in a place that never changes its size.
import { VueQueryPlugin } from "@tanstack/vue-query";
import { flushPromises, mount, type VueWrapper } from "@vue/test-utils";
import { afterEach, beforeEach, expect, it, vi } from "vitest";

import CardPicture from "./CardPicture.vue";

const asked: string[] = [];
let shown: VueWrapper;

async function answer(request: Request): Promise<Response> {
  const path = new URL(request.url).pathname;
  asked.push(path);
  return Response.json({ id: "f", analysis: { has_thumbnail: !path.endsWith("plain") } });
}
function show(fileId: string | null): VueWrapper {
  shown = mount(CardPicture, { props: { fileId }, global: { plugins: [VueQueryPlugin] } });
  return shown;
}
const place = (): string[] => [...shown.element.classList];

beforeEach(() => {
  asked.length = 0;
  vi.stubGlobal("fetch", vi.fn(answer));
});
afterEach(() => {
  shown.unmount();
  vi.unstubAllGlobals();
});

it("asks for nothing before it is known what is printed, and keeps the place", async () => {
  show(null);
  await flushPromises();
  expect(asked).toEqual([]);
  expect(place()).toContain("size-12");
});

it("asks once for a file, lazily for its picture, and moves nothing when it comes", async () => {
  show("one");
  const before = place();
  await flushPromises();
  expect(shown.get("img").attributes()).toMatchObject({
    src: "/api/v1/files/one/thumbnail", loading: "lazy", width: "48", height: "48", alt: "",
  });
  expect(place()).toEqual(before);
  await shown.setProps({ fileId: null });
  await shown.setProps({ fileId: "one" });
  await flushPromises();
  expect(asked).toEqual(["/api/v1/files/one"]);
});

it("asks for no picture where the file has none", async () => {
  show("plain");
  await flushPromises();
  expect(shown.find("img").exists()).toBe(false);
});

it("shows a sign in the place of a picture that does not come, until another does", async () => {
  show("broken");
  await flushPromises();
  await shown.get("img").trigger("error");
  expect(shown.find("img").exists()).toBe(false);
  await shown.setProps({ fileId: "other" });
  await flushPromises();
  expect(shown.find("img").exists()).toBe(true);
});
