// Which orders are offered, and that none is shown as done before it was.
import { VueQueryPlugin } from "@tanstack/vue-query";
import { flushPromises, mount, type VueWrapper } from "@vue/test-utils";
import { createPinia, setActivePinia, type Pinia } from "pinia";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createMemoryHistory, createRouter } from "vue-router";

import { useSession, type Role } from "@/app/session";
import { i18n, speak } from "@/i18n";
import german from "@/i18n/server/de";
import type { LiveEvent, LivePrinter } from "@/live/frames";
import { useLive } from "@/live/store";
import { useNotices } from "@/ui/notices";

import type { Printer } from "../printer";
import CurrentPanel from "./CurrentPanel.vue";

const LIVE = {
  id: "a", number: 1, name: "Left", version: 1, enabled: true, maintenance: false,
  link: "online", activity: "ours", bed: "occupied", bed_version: 7, print_id: "p",
  needs_attention: false, progress: 0.5, time_left_s: 60, temperatures: {},
  problem: "", problem_code: "", hint: "", detail: "",
} as unknown as LivePrinter;
const RESTS = { ...LIVE, activity: "idle", print_id: null } as LivePrinter;
const router = createRouter({
  history: createMemoryHistory(),
  routes: [
    { path: "/", component: { template: "<i />" } },
    { path: "/files", name: "files", component: { template: "<i />" } },
  ],
});
let pinia: Pinia;
let panel: VueWrapper;
const posted: string[] = [];
let state = "answered";
let wished = false;
let verdict: string | null = null;

async function answer(request: Request): Promise<Response> {
  const path = new URL(request.url).pathname.replace("/api/v1", "");
  if (request.method === "POST") posted.push(`${path} ${await request.clone().text()}`.trim());
  if (path.endsWith("/pause")) return Response.json({ command_id: "c" }, { status: 202 });
  if (path === "/commands/c") return Response.json({ state, answer: "it is heating" });
  if (path === "/files/f/layers") return Response.json({ size: 1000, starts: [100, 400, 800] });
  if (path === "/files/f") return Response.json({ id: "f", analysis: { layers: 3 } });
  if (path.startsWith("/prints/")) {
    return Response.json({
      id: "p", job_id: "j", number: 3, wants_cancel: wished, wanted_verdict: verdict,
    });
  }
  return Response.json({ id: "j", name: "Vase", copies: 1, file_id: "f" });
}

beforeEach(async () => {
  await speak("en", false);
  posted.length = 0;
  state = "answered";
  wished = false;
  verdict = null;
  useNotices().forget();
  vi.stubGlobal("fetch", vi.fn(answer));
  pinia = createPinia();
  setActivePinia(pinia);
});
afterEach(() => {
  panel.unmount();
  vi.unstubAllGlobals();
});

async function show(live: LivePrinter, role: Role = "operator"): Promise<void> {
  const plugins = [i18n, pinia, router, VueQueryPlugin];
  const global = { plugins, stubs: { ForeignPrint: true } }; // it asks the page it is on
  const props = { printer: { id: "a", name: "Left" } as Printer, live };
  panel = mount(CurrentPanel, { global, props, attachTo: document.body });
  useSession().me = { name: "kim", role } as never;
  await flushPromises();
}
const buttons = () => panel.findAll("button").map((one) => one.text());
const press = async (word: string) => {
  await panel.findAll("button").find((one) => one.text() === word)?.trigger("click");
  await flushPromises();
};

describe("CurrentPanel", () => {
  it("offers what fits the state, and nothing to a viewer", async () => {
    await show(LIVE);
    expect(buttons()).toEqual(["Pause", "Cancel the print"]);
    await panel.setProps({ live: { ...LIVE, activity: "paused" } });
    expect(buttons()).toEqual(["Resume", "Cancel the print"]);
    await panel.setProps({ live: RESTS });
    expect(buttons()).toEqual(["The bed is clear"]);
    useSession().me = { name: "kim", role: "viewer" } as never;
    await flushPromises();
    expect(buttons()).toEqual([]);
  });

  it("keeps the focus among the orders when the one that was pressed goes", async () => {
    await show(LIVE);
    panel.find("button").element.focus();
    await panel.setProps({ live: { ...LIVE, activity: "paused" } });
    await flushPromises();
    expect(document.activeElement?.textContent).toContain("Resume");
    await panel.setProps({ live: { ...RESTS, bed: "clear" } });
    await flushPromises();
    expect(panel.element.contains(document.activeElement)).toBe(true);
  });

  it("says what a cancelled print waits for only where the printer's driver does", async () => {
    wished = true;
    await show({ ...LIVE, activity: "paused", detail: "paused, line 8" });
    expect(panel.text()).toContain("is being cancelled");
    expect(panel.text()).not.toContain("emergency stop");
    const words: Readonly<Record<string, string>> = german.sentences;
    const said = Object.keys(words).filter((one) => one.startsWith("it ends once "));
    expect(said).toHaveLength(2);
    for (const one of said) {
      await panel.setProps({
        live: { ...LIVE, activity: "paused", detail: `cancelling, line 8; ${one}; cancelled` },
      });
      expect(panel.text()).toContain(one);
    }
    await speak("de", false);
    await flushPromises();
    expect(panel.text()).toContain(words[said[1] ?? ""]);
  });

  it("offers no pause of a printer that cannot be reached", async () => {
    await show({ ...LIVE, link: "offline" });
    expect(buttons()).toEqual(["Cancel the print"]);
  });

  it("does not claim that a printer out of sight rests", async () => {
    const nothing = { ...LIVE, print_id: null, activity: "unknown" } as const;
    await show({ ...nothing, link: "offline" });
    expect(panel.text()).toContain("what it does is not known");
    expect(panel.text()).not.toContain("It prints nothing.");
    await panel.setProps({ live: { ...nothing, link: "online", activity: "idle" } });
    expect(panel.text()).toContain("It prints nothing.");
  });

  it("offers no resume before the printer has said that it paused", async () => {
    state = "sent";
    await show(LIVE);
    await press("Pause");
    await panel.setProps({ live: { ...LIVE, activity: "paused" } });
    expect(buttons()).toEqual(["Pause", "Cancel the print"]);
    expect(panel.find("[aria-busy=true]").text()).toBe("Pause");
  });

  it("says so when the printer refuses what the server had taken", async () => {
    state = "refused";
    await show(LIVE);
    await press("Pause");
    expect(posted).toEqual(["/printers/a/pause"]);
    expect(panel.find("[role=alert]").text()).toContain("it is heating");
  });

  it("forgets a refusal once the printer does something else", async () => {
    state = "refused";
    await show(LIVE);
    await press("Pause");
    expect(panel.find("[role=alert]").exists()).toBe(true);
    await panel.setProps({ live: { ...LIVE, progress: 0.6 } });
    expect(panel.find("[role=alert]").exists()).toBe(true);
    await panel.setProps({ live: { ...LIVE, activity: "paused" } });
    expect(panel.find("[role=alert]").exists()).toBe(false);
  });

  it("clears the bed that was seen, by its version", async () => {
    await show(RESTS);
    await press("The bed is clear");
    expect(posted).toEqual(['/printers/a/clear-bed {"bed_version":7}']);
  });

  it("leads from a free printer to the files, for orders on it", async () => {
    await show(RESTS);
    expect(panel.find("a").exists()).toBe(false);
    panel.find("button").element.focus();
    await panel.setProps({ live: { ...RESTS, bed: "clear" } });
    await flushPromises();
    const link = panel.find("a");
    expect([link.text(), link.attributes("href")]).toEqual(["Print a file", "/files?printer=a"]);
    expect(document.activeElement).toBe(link.element);
    useSession().me = { name: "kim", role: "viewer" } as never;
    await flushPromises();
    expect(panel.find("a").exists()).toBe(false);
  });

  it("takes no word for the bed before the printer has answered, or while it prints", async () => {
    await show({ ...RESTS, bed: "unknown", link: "syncing" });
    expect(panel.text()).toContain("Nobody knows whether the bed is clear.");
    expect(buttons()).toEqual([]);
    await panel.setProps({ live: { ...RESTS, bed: "unknown" } });
    expect(buttons()).toEqual(["The bed is clear"]);
    await panel.setProps({ live: { ...RESTS, activity: "foreign" } });
    expect(buttons()).toEqual([]);
  });

  it("says about which layer is printed, once one that the slicer marked has begun", async () => {
    await show({ ...LIVE, progress: 0.05 });
    expect(panel.text()).toContain("3 layers");
    for (const [progress, number] of [[0.1, 1], [0.399, 1], [0.4, 2], [1, 3]] as const) {
      await panel.setProps({ live: { ...LIVE, progress } });
      expect(panel.text()).toContain(`About layer ${number} of 3`);
    }
    await panel.setProps({ live: { ...LIVE, progress: null } });
    expect(panel.text()).not.toContain("About");
  });

  it("asks before it cancels", async () => {
    await show(LIVE);
    await press("Cancel the print");
    expect(posted).toEqual([]);
    expect(document.querySelector("[role=alertdialog]")?.textContent).toContain("Keep it");
  });

  it("cancels the print that it asked about, not one that began since", async () => {
    await show(LIVE);
    await press("Cancel the print");
    await panel.setProps({ live: { ...LIVE, print_id: "next" } });
    const sure = document.querySelectorAll<HTMLElement>("[role=alertdialog] button");
    [...sure].find((one) => one.textContent?.trim() === "Cancel the print")?.click();
    await flushPromises();
    expect(posted).toEqual(["/prints/p/cancel"]);
  });

  it("says at once that it is being cancelled, and takes no second cancel", async () => {
    await show(LIVE);
    expect(panel.text()).not.toContain("being cancelled");
    await press("Cancel the print");
    wished = true;
    const sure = document.querySelectorAll<HTMLElement>("[role=alertdialog] button");
    [...sure].find((one) => one.textContent?.trim() === "Cancel the print")?.click();
    await flushPromises();
    const said = useNotices().list.map(({ text }) => text);
    expect(said).toEqual(["Left: the print is being cancelled."]);
    expect(panel.text()).toContain("This print is being cancelled.");
    expect(panel.find("[data-act=cancel]").attributes("aria-disabled")).toBe("true");
    await press("Cancel the print");
    expect(document.querySelector("[role=alertdialog]")).toBeNull();
    expect(posted).toEqual(["/prints/p/cancel"]);
  });

  it("looks again after a new snapshot, as the event may have passed unheard", async () => {
    await show(LIVE);
    wished = true;
    useLive().anew += 1;
    await flushPromises();
    expect(panel.text()).toContain("This print is being cancelled.");
  });

  it("asks for no print that is gone", async () => {
    await show(LIVE);
    await press("Cancel the print");
    await panel.setProps({ live: RESTS });
    vi.mocked(fetch).mockClear();
    useLive().anew += 1;
    const sure = document.querySelectorAll<HTMLElement>("[role=alertdialog] button");
    [...sure].find((one) => one.textContent?.trim() === "Cancel the print")?.click();
    await flushPromises();
    const asked = vi.mocked(fetch).mock.calls.map(([one]) => (one as Request).url);
    expect(asked).toEqual([expect.stringContaining("/api/v1/prints/p/cancel")]);
  });

  it.each([
    { kind: "print.cancel_wanted", print_id: "p", job_id: "j" },
    { kind: "job.cancelled", print_id: null, job_id: "j" },
  ])("hears that somebody else has asked for it: $kind", async (told) => {
    await show(LIVE);
    wished = true;
    useLive().events = [{ seq: 9, printer_id: "a", data: {}, ...told } as unknown as LiveEvent];
    await flushPromises();
    expect(panel.text()).toContain("This print is being cancelled.");
    await panel.setProps({ live: { ...LIVE, needs_attention: true } });
    expect(panel.text()).not.toContain("being cancelled");
  });

  it("says that a print has ended which the printer is yet to be asked about", async () => {
    await show(LIVE);
    expect(panel.text()).not.toContain("has ended");
    [verdict, wished] = ["failed", true];
    const told = { seq: 9, printer_id: "a", print_id: "p", job_id: "j", data: {} };
    useLive().events = [{ ...told, kind: "print.exit" } as unknown as LiveEvent];
    await flushPromises();
    expect(panel.text()).toContain("This print has ended: failed.");
    expect(panel.text()).not.toContain("being cancelled");
    verdict = null;
    useLive().events = [{ ...told, seq: 10, kind: "print.exit_abandoned" } as unknown as LiveEvent];
    await flushPromises();
    expect(panel.text()).not.toContain("has ended");
  });
});
