// A long list comes part by part, and what its parts say for themselves is kept.
import { mount } from "@vue/test-utils";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { defineComponent, h, nextTick, ref, useTemplateRef } from "vue";

import { fitting, provideNear, useNear } from "./near";

const FIRST = 10;
const ids = (count: number) => Array.from({ length: count }, (_, at) => `p${at}`);
const listed = ref<string[]>([]);
const order = ref("up");
let told: IntersectionObserverCallback;
let margin: string | undefined;

class Observer {
  constructor(tell: IntersectionObserverCallback, options: IntersectionObserverInit) {
    told = tell;
    margin = options.rootMargin;
  }
  observe = vi.fn();
  unobserve = vi.fn();
  disconnect = vi.fn();
}

const Part = defineComponent({
  props: { id: { type: String, required: true } },
  setup(props) {
    const part = useTemplateRef<HTMLElement>("part");
    const near = useNear(() => props.id, part);
    return () => h("li", { ref: "part", "data-printer": props.id }, [
      near.value ? "live" : "far",
      h("button", props.id),
    ]);
  },
});
const List = defineComponent(() => {
  const { shown } = provideNear(() => listed.value, {
    size: () => ({ height: innerHeight / (FIRST - 1) }),
    anew: () => order.value,
  });
  return () => h("ul", shown.value.map((id) => h(Part, { id, key: id })));
});
const open = () => mount(List, { attachTo: document.body });
let list: ReturnType<typeof open>;
const count = () => list.findAll("li").length;
async function pictures(number: number): Promise<void> {
  for (let made = 0; made < number; made += 1) {
    await vi.advanceTimersByTimeAsync(20);
    await nextTick();
  }
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["requestAnimationFrame", "cancelAnimationFrame", "setTimeout",
    "clearTimeout"] });
  vi.stubGlobal("IntersectionObserver", Observer);
  listed.value = ids(100);
  order.value = "up";
  list = open();
});
afterEach(() => {
  list.unmount();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

it("comes whole in a few pictures, and what the screen holds is live", async () => {
  expect(count()).toBeLessThan(FIRST);
  expect(list.text()).not.toContain("far");
  await pictures(1);
  const few = count();
  expect(few).toBeLessThanOrEqual(FIRST);
  await pictures(8);
  expect(list.findAll("li").map((one) => one.attributes("data-printer"))).toEqual(ids(100));
  expect(list.findAll("li").filter((one) => one.text().startsWith("live"))).toHaveLength(FIRST);
});

it("counts as near what is 400 px beyond the screen: what is scrolled to is there already", () => {
  expect(margin).toBe("400px 0px");
});

it("grows again where more comes after there was little", async () => {
  await pictures(9);
  listed.value = ids(2);
  await nextTick();
  expect(count()).toBe(2);
  listed.value = ids(80);
  await nextTick();
  expect(count()).toBeLessThan(FIRST);
  await pictures(8);
  expect(count()).toBe(80);
});

it("loses nothing at its end to a few that come before", async () => {
  await pictures(9);
  const last = list.get<HTMLElement>("[data-printer=p99] button").element;
  last.focus();
  listed.value = ["new", ...ids(100)];
  await nextTick();
  expect(count()).toBe(101);
  expect(document.activeElement).toBe(last);
});

it("keeps what is used where very many come before it", async () => {
  await pictures(9);
  const used = list.get<HTMLElement>("[data-printer=p20] button").element;
  used.focus();
  listed.value = [...Array.from({ length: 60 }, (_, at) => `new${at}`), ...ids(100)];
  await nextTick();
  expect(document.activeElement).toBe(used);
  expect(count()).toBeLessThan(160);
  await pictures(9);
  expect(count()).toBe(160);
});

it("begins anew where all parts change, unless one of them is being used", async () => {
  await pictures(9);
  order.value = "down";
  await nextTick();
  expect(count()).toBeLessThan(FIRST);
  await pictures(9);
  list.get<HTMLElement>("[data-printer=p60] button").element.focus();
  order.value = "up";
  await nextTick();
  expect(count()).toBe(61);
  expect(document.activeElement?.textContent).toBe("p60");
});

it("stops growing once it is left", async () => {
  list.unmount();
  expect(vi.getTimerCount()).toBe(0);
  list = open();
});

it("keeps a part that is scrolled away live while it is used", async () => {
  await pictures(9);
  const target = list.get<HTMLElement>("[data-printer=p3]").element;
  target.querySelector("button")?.focus();
  const away = [{ target, isIntersecting: false }] as unknown as IntersectionObserverEntry[];
  told(away, {} as IntersectionObserver);
  await nextTick();
  expect(target.textContent).toContain("live");
  target.querySelector("button")?.blur();
  told(away, {} as IntersectionObserver);
  await nextTick();
  expect(target.textContent).toContain("far");
});

it("knows how many fit the screen", () => {
  vi.stubGlobal("innerWidth", 1000);
  vi.stubGlobal("innerHeight", 800);
  // Five rows with the one that is cut off.
  expect(fitting({ height: 200, width: 300 })).toEqual({ columns: 3, all: 15 });
  expect(fitting({ height: 40 })).toEqual({ columns: 1, all: 21 });
});
