// The page and its queue against a server that answers as the API does.
import { QueryClient, VueQueryPlugin } from "@tanstack/vue-query";
import { flushPromises, mount, type VueWrapper } from "@vue/test-utils";
import { createPinia, setActivePinia } from "pinia";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createMemoryHistory, createRouter } from "vue-router";

import { useSession, type Me, type Role } from "@/app/session";
import { i18n, speak } from "@/i18n";
import type { LivePrinter } from "@/live/frames";
import { useLive } from "@/live/store";

import FilesPage from "./FilesPage.vue";
import { markOf } from "./memory";
import { useUploads } from "./uploads";

const FILE = {
  id: "f1",
  name: "bracket.gcode",
  sha256: "00",
  size: 3_400_000,
  state: "ready",
  created_at: "2027-01-31T12:00:00Z",
  analysis: { estimated_s: 3600, tools: [], has_thumbnail: false, print_box: null },
};
let asked: string[];
let answers: (method: string, path: string) => Response | null;

function json(body: unknown, status = 200, headers: Record<string, string> = {}): Response {
  const type = status < 400 ? "application/json" : "application/problem+json";
  return new Response(JSON.stringify(body), {
    status,
    headers: { "content-type": type, ...headers },
  });
}

async function answer(request: Request): Promise<Response> {
  const path = new URL(request.url).pathname;
  asked.push(`${request.method} ${path}`);
  const own = answers(request.method, path);
  if (own) return own;
  if (path === "/api/v1/files") return json({ items: [FILE], next_cursor: null });
  return json({ code: "not_found" }, 404);
}

const shown: VueWrapper[] = [];
async function page(role: Role, printer = ""): Promise<VueWrapper> {
  const router = createRouter({
    history: createMemoryHistory(),
    routes: [{ path: "/files", name: "files", component: { render: () => null } }],
  });
  await router.push("/files");
  const queryClient = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  const pinia = createPinia();
  setActivePinia(pinia);
  const plugins = [pinia, i18n, router, [VueQueryPlugin, { queryClient }] as never];
  const wrapper = mount(FilesPage, {
    props: { printer },
    attachTo: document.body,
    global: {
      plugins: [
        ...plugins,
        () => (useSession().me = { id: "u1", name: "ann", role, groups: null } as Me),
      ],
    },
  });
  shown.push(wrapper);
  await settle();
  return wrapper;
}
async function settle(): Promise<void> {
  for (let round = 0; round < 10; round += 1) await flushPromises();
}

beforeEach(async () => {
  asked = [];
  answers = () => null;
  localStorage.clear();
  await speak("en", false);
  vi.stubGlobal("fetch", vi.fn(answer));
});
afterEach(() => {
  for (const wrapper of shown.splice(0)) wrapper.unmount();
  vi.unstubAllGlobals();
});

describe("FilesPage", () => {
  it("shows a viewer the files and nothing that changes them", async () => {
    const wrapper = await page("viewer");
    expect(wrapper.text()).toContain("bracket.gcode");
    expect(wrapper.text()).toContain("3.4 MB");
    expect(wrapper.find("input[type=file]").exists()).toBe(false);
    expect(wrapper.text()).not.toContain("Print…");
    expect(wrapper.findAll("button").some((one) => one.text().includes("Delete"))).toBe(false);
  });

  it("shows an operator both", async () => {
    const wrapper = await page("operator");
    expect(wrapper.find("input[type=file]").exists()).toBe(true);
    expect(wrapper.text()).toContain("Print…");
  });

  it("says why there is no list, and not that there are no files", async () => {
    answers = (_, path) =>
      path === "/api/v1/files" ? json({ code: "x", detail: "the database is busy" }, 503) : null;
    const wrapper = await page("viewer");
    expect(wrapper.find("[role=alert]").text()).toContain("database is busy");
    expect(wrapper.text()).not.toContain("There are no files yet");
  });

  it("finds by what is typed, and says where nothing matches", async () => {
    const wrapper = await page("viewer");
    await wrapper.find("input[type=search]").setValue("vase");
    expect(wrapper.text()).toContain("No file matches “vase”.");
    await wrapper.find("input[type=search]").setValue("BRACK");
    expect(wrapper.text()).toContain("bracket.gcode");
  });
});

it("asks once for a further page that is refused, however long one searches", async () => {
  let round = 0;
  answers = (_, path) => {
    if (path !== "/api/v1/files") return null;
    round += 1;
    return round === 1
      ? json({ items: [FILE], next_cursor: "c2" })
      : json({ code: "busy", detail: "the database is busy" }, 503);
  };
  const held = (request: Request): Promise<Response> =>
    asked.length < 5 ? answer(request) : new Promise(() => undefined);
  vi.stubGlobal("fetch", vi.fn(held));
  const wrapper = await page("viewer");
  await wrapper.find("input[type=search]").setValue("vase");
  for (let times = 0; times < 5; times += 1) await settle();
  expect(asked.filter((one) => one === "GET /api/v1/files")).toHaveLength(2);
  expect(wrapper.find("[role=alert]").text()).toContain("database is busy");
});

it("sorts only where all files are here", async () => {
  let next: string | null = "c2";
  answers = (_, path) =>
    path === "/api/v1/files" ? json({ items: [FILE], next_cursor: next }) : null;
  const wrapper = await page("viewer");
  expect(wrapper.findAll("th button")).toHaveLength(0);
  next = null;
  await wrapper.findAll("button").find((one) => one.text() === "Show more")?.trigger("click");
  await settle();
  expect(wrapper.findAll("th button").length).toBeGreaterThan(2);
});

describe("an order", () => {
  async function orderFor(printer: string): Promise<string> {
    const wrapper = await page("operator", printer);
    useLive().printers.set("p1", { id: "p1", name: "Left" } as LivePrinter);
    await wrapper.find("[aria-label='Print bracket.gcode…']").trigger("click");
    await settle();
    const chosen = document.querySelector<HTMLSelectElement>("[role=dialog] select");
    return chosen?.selectedOptions[0]?.text ?? "";
  }

  it("is for the printer that the files were opened for", async () => {
    expect(await orderFor("p1")).toBe("Left");
  });

  async function fill(label: string, value: string): Promise<void> {
    const found = [...document.querySelectorAll("[role=dialog] label")].find(
      (one) => one.textContent === label,
    ) as HTMLLabelElement;
    const field = document.getElementById(found.htmlFor) as HTMLInputElement;
    field.value = value;
    for (const event of ["input", "change", "blur"]) field.dispatchEvent(new Event(event));
    await settle();
  }
  async function send(): Promise<void> {
    const form = document.querySelector("[role=dialog] form");
    form?.dispatchEvent(new Event("submit", { cancelable: true }));
    await settle();
  }

  it("is not made without a number of copies, and says so", async () => {
    await orderFor("");
    await fill("Copies", "");
    await send();
    expect(asked).not.toContain("POST /api/v1/jobs");
    expect(document.querySelector("[role=dialog]")?.textContent).toContain("a whole number");
  });

  it("is the same one until it is changed", async () => {
    const keys: (string | null)[] = [];
    vi.stubGlobal("fetch", (request: Request) => {
      if (request.method === "POST") keys.push(request.headers.get("idempotency-key"));
      return answer(request);
    });
    answers = (method) => (method === "POST" ? json({ code: "busy", detail: "busy" }, 503) : null);
    await orderFor("");
    await send();
    await send();
    await fill("Copies", "3");
    await send();
    expect(keys).toHaveLength(3);
    expect(keys[1]).toBe(keys[0]);
    expect(keys[2]).not.toBe(keys[0]);
  });

  it.each(["", "retired"])("is for any printer where it is none of ours: %j", async (printer) => {
    expect(await orderFor(printer)).toBe("Any that fits");
  });
});

describe("the queue", () => {
  function uploading(method: string, path: string): Response | null {
    const at = (offset: number, more = {}): Response =>
      new Response(null, { status: 204, headers: { "upload-offset": String(offset), ...more } });
    if (method === "POST" && path === "/api/v1/uploads") {
      const location = "/api/v1/uploads/u1";
      return new Response(null, { status: 201, headers: { location } });
    }
    if (method === "HEAD") return at(0);
    if (method === "PATCH") return at(4, { "upload-file-id": "f1" });
    if (path === "/api/v1/files/f1") return json(FILE);
    return null;
  }

  it("stores what is chosen, and says under which name it was there already", async () => {
    answers = uploading;
    const wrapper = await page("operator");
    useUploads().add([new File(["G28\n"], "copy.gcode")]);
    await settle();
    expect(asked).toContain("PATCH /api/v1/uploads/u1");
    expect(wrapper.text()).toContain("Stored");
    expect(wrapper.text()).toContain("was there already as bracket.gcode");
    expect(localStorage.getItem("buildplate.uploads")).toBe("{}");
  });

  it("shows how much of a file the server keeps while it is being sent", async () => {
    const size = 1024 * 1024;
    let parts = 0;
    vi.stubGlobal("fetch", (request: Request) => {
      if (request.method !== "PATCH") return answer(request);
      parts += 1;
      if (parts > 1) return new Promise(() => undefined);
      const headers = { "upload-offset": String(size / 4) };
      return Promise.resolve(new Response(null, { status: 204, headers }));
    });
    answers = uploading;
    const wrapper = await page("operator");
    useUploads().add([new File([new Uint8Array(size)], "large.gcode")]);
    await vi.waitFor(() => expect(parts).toBe(2));
    await settle();
    const progress = wrapper.find("[role=progressbar]");
    expect(progress.attributes("aria-valuenow")).toBe("25");
  });

  it("shows a refusal with its reason, and nothing to try again", async () => {
    const refusal = { code: "not_gcode", detail: "this is a picture.", hint: "Slice it." };
    answers = (method, path) =>
      method === "PATCH" ? json(refusal, 422) : uploading(method, path);
    const wrapper = await page("operator");
    useUploads().add([new File(["\x89PNG"], "cat.png")]);
    await settle();
    const note = wrapper.find("[role=alert]").text();
    expect(note).toContain("this is a picture.");
    expect(note).toContain("Slice it.");
    expect(wrapper.find("[aria-label='Try cat.png again']").exists()).toBe(false);
    await wrapper.find("[aria-label='Take cat.png off the list']").trigger("click");
    expect(wrapper.text()).not.toContain("cat.png");
  });

  it.each([
    [4, "What was sent is kept", "Discard what was sent of half.gcode"],
    [0, "Nothing of it was stored", "Take half.gcode off the list"],
  ])("says what goes with a failed upload of which %i bytes stay", async (kept, note, label) => {
    const place = { headers: { "upload-offset": String(kept) } };
    answers = (method, path) => {
      if (method === "HEAD") return new Response(null, place);
      return method === "PATCH" ? json({ code: "disk_full" }, 507) : uploading(method, path);
    };
    const wrapper = await page("operator");
    useUploads().add([new File(["G28\nG1 X1\n"], "half.gcode")]);
    await settle();
    expect(wrapper.find("[role=alert]").text()).toContain(note);
    await wrapper.find(`[aria-label='${label}']`).trigger("click");
    await settle();
    expect(asked).toContain("DELETE /api/v1/uploads/u1");
    expect(wrapper.text()).not.toContain("half.gcode");
  });

  it("tells what an earlier visit has left, and forgets it when it is given up", async () => {
    const begun = Date.now();
    const left = { path: "/api/v1/uploads/o", name: "old.gcode", size: 9, begun };
    localStorage.setItem("buildplate.uploads", JSON.stringify({ "u1|9|1|old.gcode": left }));
    answers = (method) =>
      method === "HEAD" || method === "DELETE"
        ? new Response(null, { status: 204, headers: { "upload-offset": "4" } })
        : null;
    const wrapper = await page("operator");
    expect(wrapper.text()).toContain("Choose the file again to go on");
    const button = wrapper.findAll("button").find((one) => one.text() === "Give it up");
    await button?.trigger("click");
    await settle();
    expect(asked).toContain("DELETE /api/v1/uploads/o");
    expect(wrapper.text()).not.toContain("old.gcode");
    expect(localStorage.getItem("buildplate.uploads")).toBe("{}");
  });

  it("offers nothing to give up of what was chosen again while it was looked for", async () => {
    const left = { path: "/api/v1/uploads/o", name: "old.gcode", size: 4, begun: Date.now() };
    const file = new File(["G28\n"], "old.gcode", { lastModified: 1 });
    await page("operator");
    localStorage.setItem("buildplate.uploads", JSON.stringify({ [markOf(file, "u1")]: left }));
    const heads: (() => void)[] = [];
    vi.stubGlobal("fetch", (request: Request) => {
      if (request.method !== "HEAD") return new Promise(() => undefined);
      const headers = { "upload-offset": "2" };
      return new Promise((resolve) =>
        heads.push(() => resolve(new Response(null, { status: 204, headers }))),
      );
    });
    const uploads = useUploads();
    const looked = uploads.lookBack();
    await settle();
    uploads.add([file]);
    await settle();
    expect(heads).toHaveLength(2);
    for (const answered of heads) answered();
    await looked;
    expect(uploads.unfinished).toEqual([]);
  });

  it("sends two at a time and gives up what is cancelled", async () => {
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    vi.stubGlobal(
      "fetch",
      vi.fn(async (request: Request) => {
        if (request.method === "PATCH") {
          await Promise.race([
            held,
            new Promise((_, reject) =>
              request.signal.addEventListener("abort", () =>
                reject(new DOMException("stopped", "AbortError")),
              ),
            ),
          ]);
        }
        return answer(request);
      }),
    );
    answers = uploading;
    await page("operator");
    const uploads = useUploads();
    uploads.add(["a", "b", "c"].map((name) => new File(["G28\n"], name)));
    await settle();
    expect(uploads.list.map((one) => one.state)).toEqual(["sending", "sending", "waiting"]);
    const first = uploads.list[0];
    if (first) await uploads.cancel(first);
    await settle();
    expect(asked).toContain("DELETE /api/v1/uploads/u1");
    expect(uploads.list.map((one) => [one.name, one.state])).toEqual([
      ["b", "sending"],
      ["c", "sending"],
    ]);
    release();
    await settle();
    expect(uploads.list.every((one) => one.state === "done")).toBe(true);
  });

  it("leaves nothing of one person's queue to the next", async () => {
    answers = uploading;
    await page("operator");
    const uploads = useUploads();
    uploads.add([new File(["G28\n"], "a")]);
    await settle();
    useSession().leave();
    expect(uploads.list).toEqual([]);
  });
});
