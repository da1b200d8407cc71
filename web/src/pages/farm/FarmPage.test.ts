// The page as people with each role meet it.
import { VueQueryPlugin } from "@tanstack/vue-query";
import { flushPromises, mount, type VueWrapper } from "@vue/test-utils";
import { createPinia, setActivePinia } from "pinia";
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import type { Plugin } from "vue";
import { createMemoryHistory, createRouter, type Router } from "vue-router";

import { useSession, type Role } from "@/app/session";
import { i18n, speak } from "@/i18n";
import type { LivePrinter } from "@/live/frames";
import { useLive } from "@/live/store";
import { useNotices } from "@/ui/notices";

import BulkBar from "./BulkBar.vue";
import FarmPage from "./FarmPage.vue";
import { MISTAKEN_MS, POINTED_MS } from "./held-order";
import { useRound } from "./round";
import { useFarmUploads } from "./uploads";

const fetched = vi.fn<(request: Request) => Promise<Response>>();
let shown: VueWrapper;
let router: Router;
let global: { plugins: Plugin[] };

class Everything {
  constructor(private readonly tell: (entries: object[]) => void) {}
  observe(target: Element): void {
    this.tell([{ target, isIntersecting: true }]);
  }
  unobserve(): void {
    // nothing is kept
  }
  disconnect(): void {
    // nothing is kept
  }
}

const IDLE = {
  version: 1, enabled: true, maintenance: false, told_at_s: null, link: "online", activity: "idle",
  bed: "clear", bed_version: 4, needs_attention: false, print_id: null, progress: null,
  problem: "", problem_code: "", hint: "", time_left_s: null, temperatures: {},
};
const PRINTERS = [
  { id: "a", number: 1, name: "Alder", bed: "occupied" },
  { id: "b", number: 2, name: "Birch", activity: "ours", print_id: "x", progress: 0.5 },
  { id: "c", number: 3, name: "Cedar", needs_attention: true, print_id: "y" },
  { id: "d", number: 4, name: "Dogwood" },
].map((one) => ({ ...IDLE, ...one }) as unknown as LivePrinter);

async function open(role: Role, at = "/", extra: { path: string; name: string }[] = []) {
  const component = { render: () => null };
  const pages = extra.map((one) => ({ ...one, component }));
  router = createRouter({
    history: createMemoryHistory(),
    routes: [{ path: "/", name: "farm", component: FarmPage }, ...pages],
  });
  await router.push(at);
  const pinia = createPinia();
  setActivePinia(pinia);
  global = { plugins: [pinia, i18n, router, VueQueryPlugin] };
  // Stores that use queries are made inside an app, as the page makes them.
  const frame = {
    render: () => null,
    setup() {
      useSession().me = { name: "ann", role, csrf_token: "t" } as never;
      const live = useLive();
      live.known = true;
      for (const one of PRINTERS) live.printers.set(one.id, one);
    },
  };
  mount(frame, { global });
  shown = mount(FarmPage, { global, attachTo: document.body });
  await flushPromises();
}

/** As one does who looks at another page in between. */
async function leaveAndReturn(): Promise<void> {
  shown.unmount();
  await flushPromises();
  shown = mount(FarmPage, { global, attachTo: document.body });
  await flushPromises();
}

beforeAll(async () => {
  await speak("en", false);
  // What the page loads when it is needed is there already.
  await Promise.all([
    import("./BulkBar.vue"), import("./CancelDialog.vue"), import("./FloorPlan.vue"),
  ]);
});
beforeEach(() => {
  vi.stubGlobal("IntersectionObserver", Everything);
  vi.stubGlobal("fetch", fetched);
  fetched.mockImplementation(async () => Response.json({ items: [], next_cursor: null }));
});
afterEach(() => {
  shown.unmount();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const cards = () => shown.findAll("[data-printer]").map((one) => one.attributes("data-printer"));
const button = (within: string, text: string) =>
  shown.find(within).findAll("button").find((one) => one.text() === text);

describe("FarmPage", () => {
  it("shows a viewer everything and lets them do nothing", async () => {
    await open("viewer");
    expect(cards()).toEqual(["a", "b", "c", "d"]);
    expect(shown.findAll("input[type=checkbox]")).toHaveLength(0);
    const words = shown.findAll("button").map((one) => one.text());
    for (const word of ["Pause", "Bed is clear", "Print a file"]) expect(words).not.toContain(word);
    expect(shown.find("[aria-label^='Cancel']").exists()).toBe(false);
  });

  it("shows only the states that were pressed, and says so in the address", async () => {
    await open("viewer");
    const counts = shown.find("ul[aria-label='Printers by state']");
    const printing = counts.findAll("button").find((one) => one.text().startsWith("Printing"));
    await printing?.trigger("click");
    await flushPromises();
    expect(cards()).toEqual(["b"]);
    expect(router.currentRoute.value.query).toEqual({ state: "printing" });
  });

  it("is opened by a saved link as it was saved", async () => {
    await open("viewer", "/?q=ced");
    expect(cards()).toEqual(["c"]);
  });

  it("offers to show all where the filters leave nobody", async () => {
    await open("viewer", "/?q=nobody");
    expect(cards()).toEqual([]);
    const all = shown.findAll("button").find((one) => one.text() === "Show all printers");
    await all?.trigger("click");
    await flushPromises();
    expect(cards()).toHaveLength(4);
  });

  it("lists first who needs a person, and leads to where a print is resolved", async () => {
    await open("operator", "/", [{ path: "/queue", name: "queue" }]);
    const needs = shown.find("section[aria-labelledby='needs-you']");
    expect(needs.findAll("li").map((one) => /Cedar|Alder/.exec(one.text())?.[0])).toEqual([
      "Cedar",
      "Alder",
    ]);
    expect(needs.find("a").attributes("href")).toBe("/queue?print=y");
  });

  it("offers a viewer what is known of a print, and nothing to say about it", async () => {
    const word = () => shown.find("section[aria-labelledby='needs-you'] a").text();
    const queue = [{ path: "/queue", name: "queue" }];
    await open("viewer", "/", queue);
    expect(word()).toBe("What is known");
    shown.unmount();
    await open("operator", "/", queue);
    expect(word()).toBe("Say how it ended");
  });

  it("keeps the focus beside what needed a person, where no key acts on another", async () => {
    const pages = [{ path: "/queue", name: "queue" }, { path: "/printers/:id", name: "printer" }];
    await open("operator", "/", pages);
    const { printers } = useLive();
    const now = async (id: string, changes: Partial<LivePrinter>) => {
      printers.set(id, { ...(printers.get(id) as LivePrinter), ...changes });
      await flushPromises();
      return document.activeElement?.textContent?.trim();
    };
    const needs = shown.find("section[aria-labelledby='needs-you']");
    needs.find<HTMLElement>("[data-act=clear_bed]").element.focus();
    expect(await now("a", { bed: "clear" })).toBe("Cedar");
    expect(await now("c", { needs_attention: false })).toBe("Farm");
    expect(document.activeElement?.tagName).toBe("H1");
  });

  describe("sorted by what changes", () => {
    const progress = (id: string, share: number) => {
      const { printers } = useLive();
      printers.set(id, { ...(printers.get(id) as LivePrinter), progress: share, print_id: "x" });
      return flushPromises();
    };
    const row = (id: string) => shown.get<HTMLElement>(`[data-printer=${id}]`);
    const list = () => row("a").element.parentElement?.parentElement as HTMLElement;
    beforeEach(async () => {
      await open("operator", "/?sort=progress");
      await progress("a", 0.3);
      await progress("b", 0.5);
    });

    it("holds the order while a pointer is over the list", async () => {
      expect(cards().slice(0, 2)).toEqual(["a", "b"]);
      list().dispatchEvent(new PointerEvent("pointerenter"));
      await progress("a", 0.9);
      await progress("d", 0.1);
      expect(cards().slice(0, 2)).toEqual(["a", "b"]);
      list().dispatchEvent(new PointerEvent("pointerleave"));
      await flushPromises();
      expect(cards().slice(0, 3)).toEqual(["d", "b", "a"]);
    });

    it("lets go of it once the pointer has only lain there for a while", async () => {
      vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
      list().dispatchEvent(new PointerEvent("pointerenter"));
      await progress("a", 0.9);
      await vi.advanceTimersByTimeAsync(POINTED_MS - 1000);
      row("b").element.dispatchEvent(new PointerEvent("pointermove", { bubbles: true }));
      await vi.advanceTimersByTimeAsync(POINTED_MS - 1000);
      expect(cards().slice(0, 2)).toEqual(["a", "b"]);
      await vi.advanceTimersByTimeAsync(1000);
      expect(cards().slice(0, 2)).toEqual(["b", "a"]);
      row("b").element.focus();
      await progress("b", 0.95);
      await vi.advanceTimersByTimeAsync(2 * POINTED_MS);
      expect(cards().slice(0, 2)).toEqual(["b", "a"]);
    });

    describe("again under a pointer that lay there", () => {
      const pressed: string[] = [];
      /** Whether a press comes to anything on what is first by now. */
      function press(): boolean {
        const before = pressed.length;
        const name = row("b").get<HTMLElement>("h2").element;
        name.dispatchEvent(new PointerEvent("pointerdown", { bubbles: true }));
        name.dispatchEvent(new MouseEvent("click", { bubbles: true, detail: 1 }));
        return pressed.length > before;
      }
      beforeEach(async () => {
        row("b").element.addEventListener("click", () => pressed.push("b"));
        vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
        list().dispatchEvent(new PointerEvent("pointerenter"));
        await progress("a", 0.9);
        await vi.advanceTimersByTimeAsync(POINTED_MS);
        expect(cards().slice(0, 2)).toEqual(["b", "a"]);
      });

      it("makes nothing of a press that was meant for what was there before", async () => {
        await vi.advanceTimersByTimeAsync(MISTAKEN_MS - 100);
        expect(press()).toBe(false);
        await vi.advanceTimersByTimeAsync(200);
        expect(press()).toBe(true);
      });

      it("lets keys press, and a pointer that moved since", () => {
        row("b").element.dispatchEvent(new MouseEvent("click", { bubbles: true }));
        expect(pressed.pop()).toBe("b");
        row("b").element.dispatchEvent(new PointerEvent("pointermove", { bubbles: true }));
        expect(press()).toBe(true);
      });
    });

    it("makes something of every press where the sorting was asked for", async () => {
      list().dispatchEvent(new PointerEvent("pointerenter"));
      await progress("a", 0.9);
      await router.replace("/?sort=-name");
      await flushPromises();
      let presses = 0;
      list().addEventListener("click", () => (presses += 1));
      row("a").element.dispatchEvent(new PointerEvent("pointerdown", { bubbles: true }));
      row("a").element.dispatchEvent(new MouseEvent("click", { bubbles: true, detail: 1 }));
      expect(presses).toBe(1);
    });

    it("sorts at once what is searched for under a pointer", async () => {
      list().dispatchEvent(new PointerEvent("pointerenter"));
      await progress("a", 0.9);
      await router.replace("/?sort=progress&q=r");
      await flushPromises();
      expect(cards()).toEqual(["b", "a", "c"]);
    });

    it("holds it while the focus is in a row, and sorts once it is not", async () => {
      row("a").element.focus();
      await progress("a", 0.9);
      expect(cards().slice(0, 2)).toEqual(["a", "b"]);
      row("b").element.focus();
      await new Promise((resolve) => setTimeout(resolve));
      await flushPromises();
      expect(cards().slice(0, 2)).toEqual(["a", "b"]);
      row("b").element.blur();
      await vi.waitFor(() => expect(cards().slice(0, 2)).toEqual(["b", "a"]));
    });

    it("sorts at once by what is wished, and the focus goes with its row", async () => {
      const button = row("c").get<HTMLElement>("button").element;
      button.focus();
      await progress("a", 0.9);
      await router.replace("/?sort=-name");
      await flushPromises();
      expect(cards()).toEqual(["d", "c", "b", "a"]);
      expect(document.activeElement).toBe(button);
    });
  });

  it("links to no page that is not there", async () => {
    await open("operator");
    expect(shown.findAll("a")).toHaveLength(0);
  });

  it("links a printer's name to its page where there is one", async () => {
    await open("viewer", "/", [{ path: "/printers/:id", name: "printer" }]);
    expect(shown.find("[data-printer=d] a").attributes("href")).toBe("/printers/d");
  });

  it("reads the descriptions once, and again only when one of them has changed", async () => {
    const described = { tags: [], materials: [], group: null, location: "", model: { name: "" } };
    let version = 1;
    let read = 0;
    fetched.mockImplementation(async (request) => {
      const ours = new URL(request.url).pathname === "/api/v1/printers";
      read += Number(ours);
      const items = PRINTERS.map(({ id, name }) => ({ ...described, id, name, version }));
      return Response.json({ items: ours ? items : [], next_cursor: null });
    });
    await open("viewer", "/?view=table");
    await flushPromises();
    expect(read).toBe(1);
    const { printers } = useLive();
    const birch = printers.get("b") as LivePrinter;
    printers.set("b", { ...birch, progress: 0.6 });
    await flushPromises();
    expect(read).toBe(1);
    version = 2;
    for (const one of PRINTERS) printers.set(one.id, { ...one, version });
    await vi.waitFor(() => expect(read).toBe(2));
    await flushPromises();
    expect(read).toBe(2);
  });

  it("names the bed's version that was seen, and says why it was refused", async () => {
    await open("operator");
    let body: unknown;
    fetched.mockImplementation(async (request) => {
      body = await request.json();
      const told = { code: "bed_changed", detail: "the bed is another one", hint: "Look again." };
      return new Response(JSON.stringify({ ...told, status: 409 }), {
        status: 409,
        headers: { "content-type": "application/problem+json" },
      });
    });
    await button("[data-printer=a]", "Bed is clear")?.trigger("click");
    await flushPromises();
    expect(body).toEqual({ bed_version: 4 });
    const said = shown.find("[data-printer=a] [role=alert]").text();
    expect(said).toContain("Another print has begun on this bed since.");
    expect(shown.find("[data-printer=a]").text()).toContain("Clear the bed");
  });

  it("asks before it cancels, and nothing is sent until then", async () => {
    await open("operator");
    fetched.mockClear();
    await shown.find("[data-printer=b] [aria-label='Cancel the print on Birch']").trigger("click");
    await vi.waitFor(() => expect(document.querySelector("[role=alertdialog]")).not.toBeNull());
    expect(fetched).not.toHaveBeenCalled();
  });

  const confirm = async (word: string) => {
    await vi.waitFor(() => expect(document.querySelector("[role=alertdialog]")).not.toBeNull());
    const { printers } = useLive();
    const birch = printers.get("b") as LivePrinter;
    printers.set("b", { ...birch, print_id: "next" });
    await flushPromises();
    fetched.mockClear();
    const buttons = [...document.querySelectorAll<HTMLElement>("[role=alertdialog] button")];
    buttons.find((one) => one.textContent?.trim() === word)?.click();
    await flushPromises();
    const posts = fetched.mock.calls.filter(([request]) => request.method === "POST");
    return posts.map(([request]) => new URL(request.url).pathname);
  };

  it("cancels the print that it asked about, not one that began since", async () => {
    await open("operator");
    await shown.find("[data-printer=b] [aria-label='Cancel the print on Birch']").trigger("click");
    expect(await confirm("Cancel the print")).toEqual(["/api/v1/prints/x/cancel"]);
  });

  it("cancels of many what they printed when it was asked", async () => {
    await open("operator");
    await shown.find("[data-printer=b] input[type=checkbox]").setValue(true);
    await vi.waitFor(() => expect(shown.text()).toContain("1 picked"));
    await shown.findAll("button").find((one) => one.text() === "Cancel…")?.trigger("click");
    expect(await confirm("Cancel the print")).toEqual(["/api/v1/prints/x/cancel"]);
  });

  it("fetches what many are told with only once one is picked", async () => {
    await open("operator");
    expect(shown.findComponent(BulkBar).exists()).toBe(false);
    await shown.find("[data-printer=b] input[type=checkbox]").setValue(true);
    await vi.waitFor(() => expect(shown.findComponent(BulkBar).exists()).toBe(true));
  });

  it("still shows what many were told, and who refused, after another page", async () => {
    await open("operator");
    let refuse = (): void => undefined;
    const headers = { "content-type": "application/problem+json" };
    const told = JSON.stringify({ status: 409, code: "no_active_print", detail: "", hint: "" });
    fetched.mockImplementation((request) => {
      if (request.method === "GET") return new Promise(() => undefined);
      return new Promise((resolve) => {
        refuse = () => resolve(new Response(told, { status: 409, headers }));
      });
    });
    await shown.find("[data-printer=b] input[type=checkbox]").setValue(true);
    await vi.waitFor(() => expect(shown.text()).toContain("1 picked"));
    await button("section[aria-label='Picked printers']", "Pause")?.trigger("click");
    await leaveAndReturn();
    await vi.waitFor(() => expect(shown.text()).toContain("0 of 1 have answered."));
    const bar = () => shown.find("section[aria-label='Picked printers']");
    expect(bar().find("[aria-label='Close']").exists()).toBe(false);
    refuse();
    await vi.waitFor(() => expect(bar().text()).toContain("Refused or not known: 1."));
    expect(bar().text()).toContain("Birch");
    await leaveAndReturn();
    await vi.waitFor(() => expect(bar().text()).toContain("Birch"));
    await bar().find("[aria-label='Close']").trigger("click");
    expect(bar().exists()).toBe(false);
  });

  it("keeps the focus in a bar that stays until all have answered", async () => {
    await open("operator");
    await shown.find("[data-printer=b] input[type=checkbox]").setValue(true);
    await vi.waitFor(() => expect(shown.text()).toContain("1 picked"));
    const bar = shown.get("section[aria-label='Picked printers']");
    const { tell } = useRound().begin("pause", ["b"]);
    await flushPromises();
    const none = bar.get<HTMLElement>("[aria-label='Pick none']");
    none.element.focus();
    await none.trigger("click");
    await flushPromises();
    expect(document.activeElement, "no button, which would act").toBe(bar.element);
    expect(bar.find("[aria-label='Close']").exists()).toBe(false);
    tell({ printerId: "b", problem: null });
    await flushPromises();
    await bar.get("[aria-label='Close']").trigger("click");
    expect(useRound().present).toBeNull();
  });

  const WAYS = ["Pick none", "Close", "Escape"];
  it.each(WAYS)("leads from the bar, which goes, to the heading: %s", async (way) => {
    await open("operator");
    if (way === "Close") useRound().begin("pause", ["b"]).tell({ printerId: "b", problem: null });
    else await shown.find("[data-printer=b] input[type=checkbox]").setValue(true);
    const named = way === "Escape" ? "Pick none" : way;
    const pressed = await vi.waitFor(() => shown.get<HTMLElement>(`[aria-label='${named}']`));
    pressed.element.focus();
    if (way === "Escape") await pressed.trigger("keydown", { key: way });
    else await pressed.trigger("click");
    await flushPromises();
    expect(shown.find("section[aria-label='Picked printers']").exists()).toBe(false);
    expect(document.activeElement?.tagName).toBe("H1");
  });

  it("takes the focus from nobody where the bar goes", async () => {
    await open("operator");
    const box = shown.get<HTMLInputElement>("[data-printer=b] input[type=checkbox]");
    await box.setValue(true);
    await vi.waitFor(() => expect(shown.text()).toContain("1 picked"));
    box.element.focus();
    await box.setValue(false);
    await flushPromises();
    expect(document.activeElement).toBe(box.element);
  });

  it("shows nobody what was told in another session", async () => {
    await open("operator");
    useRound().begin("pause", ["b"]).tell({ printerId: "b", problem: null });
    await vi.waitFor(() => expect(shown.text()).toContain("Birch"));
    expect(useRound().present).not.toBeNull();
    useSession().me = null;
    expect(useRound().present).toBeNull();
  });

  it("lets the wall, beneath which all is inert, hear what is said", async () => {
    HTMLDialogElement.prototype.showModal ??= () => undefined;
    await open("viewer", "/?view=wall");
    await vi.waitFor(() => expect(shown.find("dialog").exists()).toBe(true));
    useNotices().say("The connection to the server is lost.");
    await flushPromises();
    expect(shown.get("dialog [aria-live=polite]").text()).toContain("is lost");
  });

  it("shows files that were on their way before the page was opened", async () => {
    await open("operator");
    fetched.mockImplementation(() => new Promise(() => undefined));
    useFarmUploads().start(new File(["G28"], "vase.gcode"), "a");
    await vi.waitFor(() => expect(shown.text()).toContain("vase.gcode → Alder"));
  });

  it("picks a range with Shift and tells how many", async () => {
    await open("operator");
    const boxes = shown.findAll<HTMLInputElement>("[data-printer] input[type=checkbox]");
    await boxes[0]?.setValue(true);
    await boxes[2]?.trigger("keydown", { key: " ", shiftKey: true });
    await boxes[2]?.setValue(true);
    await vi.waitFor(() => expect(shown.text()).toContain("3 picked"));
  });

  it("says on the plan how old a printer's progress is", async () => {
    const floor = { id: "f", version: 1, name: "Hall", width_mm: 9000, depth_mm: 5000 };
    const place = { floor: "f", x: 100, y: 100, rotation: 0 };
    fetched.mockImplementation(async ({ url }) => {
      const described = { tags: [], materials: [], model: { name: "" }, floor_position: place };
      const printers = PRINTERS.map((one) => ({ ...one, ...described }));
      const items = url.includes("/floors") ? [floor] : printers;
      return Response.json({ items, next_cursor: null });
    });
    await open("viewer", "/?view=plan");
    const birch = () => shown.findAll("li.absolute").find((one) => one.text().includes("Birch"));
    await vi.waitFor(() => expect(birch()?.text()).toContain("50"));
    expect(birch()?.text()).not.toContain("old");
    const told_at_s = performance.now() / 1000 - 70;
    useLive().printers.set("b", { ...PRINTERS[1], told_at_s } as LivePrinter);
    await flushPromises();
    expect(birch()?.text()).toContain("1 min old");
  });

  it("lets administrators alone rename and remove a floor beside its plan", async () => {
    const floor = { id: "f", version: 3, name: "Hall", width_mm: 9000, depth_mm: 5000 };
    const sent: { method: string; version: string | null; body: unknown }[] = [];
    fetched.mockImplementation(async (request) => {
      if (request.method === "GET") {
        const items = request.url.includes("/floors") ? [floor] : [];
        return Response.json({ items, next_cursor: null });
      }
      const body = request.method === "PATCH" ? await request.clone().json() : null;
      sent.push({ method: request.method, version: request.headers.get("if-match"), body });
      return body ? Response.json({ ...floor, ...body }) : new Response(null, { status: 204 });
    });
    const named = (label: string) => shown.find<HTMLButtonElement>(`[aria-label='${label}']`);
    await open("operator", "/?view=plan");
    await vi.waitFor(() => expect(shown.text()).toContain("Not on a plan"));
    expect(named("Change Hall").exists()).toBe(false);
    shown.unmount();

    await open("admin", "/?view=plan", [{ path: "/printers/add", name: "printer-add" }]);
    await vi.waitFor(() => expect(named("Change Hall").exists()).toBe(true));
    await named("Change Hall").trigger("click");
    const name = await vi.waitFor(() => {
      const found = document.querySelector<HTMLInputElement>("form input[maxlength='200']");
      expect(found?.value).toBe("Hall");
      return found as HTMLInputElement;
    });
    name.value = "Attic";
    name.dispatchEvent(new Event("input"));
    document.querySelector("form")?.dispatchEvent(new Event("submit", { cancelable: true }));
    await flushPromises();
    const body = { name: "Attic", width_mm: 9000, depth_mm: 5000 };
    expect(sent).toEqual([{ method: "PATCH", version: '"3"', body }]);

    await named("Remove Hall").trigger("click");
    await vi.waitFor(() => expect(document.querySelector("[role=alertdialog]")).not.toBeNull());
    expect(sent).toHaveLength(1);
    const buttons = [...document.querySelectorAll<HTMLElement>("[role=alertdialog] button")];
    buttons.find((one) => one.textContent.trim() === "Remove")?.click();
    await flushPromises();
    expect(sent[1]).toEqual({ method: "DELETE", version: '"3"', body: null });
  });
});
