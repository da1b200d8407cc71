// The payloads are what a running server answered at /prints/{id}/waiting, with short ids.
import { beforeAll, beforeEach, expect, it } from "vitest";

import { i18n, speak } from "@/i18n";

import { detailOf, remedyOf, wordsOf, type Reason, type Speech } from "./reasons";

let today = true;
const speech: Speech = {
  t: (key, named) => i18n.global.t(key, named ?? {}),
  te: (key) => i18n.global.te(key),
  when: (at) => at.toISOString().slice(11, 16),
  isToday: () => today,
  number: (value) => String(value),
};
const request = (action: string, target: string, params: object, path: string, method = "POST") =>
  ({ action, target, params, method, path }) as Reason["unblock"];

const PAYLOADS = {
  bed_not_clear: {
    printer_id: "p1",
    code: "bed_not_clear",
    detail: "something lies on its bed",
    unblock: request("clear_bed", "p1", { bed_version: 3 }, "/api/v1/printers/p1/clear-bed"),
  },
  busy: {
    printer_id: "p3",
    code: "busy",
    detail: "it has a print of ours",
    unblock: {
      action: "wait",
      target: null,
      params: { for: "print", print_id: "x", until: "2026-11-28T02:20:22.176361Z" },
      method: null,
      path: null,
    },
  },
  disabled: {
    printer_id: "p4",
    code: "disabled",
    detail: "it is switched off in the farm",
    unblock: request("update_printer", "p4", { enabled: true }, "/api/v1/printers/p4", "PATCH"),
  },
  maintenance: {
    printer_id: "p5",
    code: "maintenance",
    detail: "it is in maintenance mode",
    unblock: request("end_maintenance", "p5", { on: false }, "/api/v1/printers/p5/maintenance"),
  },
  material_missing: {
    printer_id: "p1",
    code: "material_missing",
    detail: "tool 0 needs PETG black and holds PLA white",
    unblock: request(
      "update_printer",
      "p1",
      {
        materials: [
          { tool: 0, type: "PETG", color: "black", variant: null, remaining_g: null },
        ],
      },
      "/api/v1/printers/p1",
      "PATCH",
    ),
  },
  nozzle_mismatch: {
    printer_id: "p1",
    code: "nozzle_mismatch",
    detail: "the job asks for a nozzle of 0.6 mm, this printer has 0.4 mm",
    unblock: request(
      "update_printer",
      "p1",
      { model: { nozzles_mm: [0.6] } },
      "/api/v1/printers/p1",
      "PATCH",
    ),
  },
  model_mismatch: {
    printer_id: "p1",
    code: "model_mismatch",
    detail: "the job asks for virtual 300, this is Virtual 200",
    unblock: request(
      "update_job",
      "j9",
      { requirements: { printer_model: "Virtual 200" } },
      "/api/v1/jobs/j9",
      "PATCH",
    ),
  },
  too_small: {
    printer_id: "p1",
    code: "too_small",
    detail: "the job asks for 250 × 250 × 250 mm, this is 200 × 200 × 200 mm",
    unblock: request(
      "update_job",
      "j10",
      { requirements: { build_volume: { x: 200.0, y: 200.0, z: 200.0 } } },
      "/api/v1/jobs/j10",
      "PATCH",
    ),
  },
  on_hold: {
    printer_id: "p1",
    code: "on_hold",
    detail: "job 6 is on hold",
    unblock: request("release_job", "j6", {}, "/api/v1/jobs/j6/release"),
  },
  needs_attention: {
    printer_id: "p3",
    code: "needs_attention",
    detail: "a person has to say how its print ended",
    unblock: request(
      "resolve_print",
      "x27",
      { ask: ["outcome", "bed"] },
      "/api/v1/prints/x27/resolve",
    ),
  },
  tag_mismatch: {
    printer_id: "p1",
    code: "tag_mismatch",
    detail: "this printer lacks clean",
    unblock: request(
      "update_printer",
      "p1",
      { tags: ["clean", "demo"] },
      "/api/v1/printers/p1",
      "PATCH",
    ),
  },
} satisfies Record<string, Reason>;

const told = (code: keyof typeof PAYLOADS) => {
  const reason: Reason = PAYLOADS[code];
  return [wordsOf(reason, speech), remedyOf(reason, speech)] as const;
};

beforeAll(() => speak("de", false));
beforeEach(() => speak("en", false));

it("says that something lies on the bed, and takes a person's word that it is clear", () => {
  const call = { kind: "call", label: "The bed is clear", role: "operator" };
  expect(told("bed_not_clear")).toEqual(["Something lies on the bed", call]);
});

it("says until when a printer is busy, and offers no button where there is nothing to do", () => {
  const text = "It passes when the print there has ended. About 02:20.";
  expect(told("busy")).toEqual(["Busy", { kind: "words", text }]);
});

it("says in German um a time of today and am another day", async () => {
  await speak("de", false);
  const said = () => (told("busy")[1] as { text: string }).text;
  expect(said()).toContain("Voraussichtlich um 02:20.");
  today = false;
  expect(said()).toContain("Voraussichtlich am 02:20.");
  today = true;
});

it("lets an operator switch a printer on and end its maintenance", () => {
  expect(told("disabled")[1]).toEqual({ kind: "call", label: "Switch it on", role: "operator" });
  const end = { kind: "call", label: "End maintenance", role: "operator" };
  expect(told("maintenance")).toEqual(["In maintenance", end]);
});

it("names the material that has to be loaded, and tells what the printer holds", () => {
  const label = "Loaded now: PETG black";
  expect(told("material_missing")[1]).toEqual({ kind: "call", label, role: "operator" });
  expect(detailOf(PAYLOADS.material_missing, speech)).toContain("holds PLA white");
});

it("leaves a nozzle and tags to an administrator, as the API does", () => {
  const label = "Fitted now: 0.6 mm";
  expect(told("nozzle_mismatch")[1]).toEqual({ kind: "call", label, role: "admin" });
  expect(told("tag_mismatch")[1]).toMatchObject({ role: "admin" });
});

it("offers to ask for what this printer is", () => {
  expect(told("model_mismatch")[1]).toMatchObject({ label: "Ask for Virtual 200 instead" });
  expect(told("too_small")[1]).toMatchObject({ label: "Ask for 200 × 200 × 200 mm only" });
});

it("releases what is on hold", () => {
  const label = "Release the job";
  expect(told("on_hold")).toEqual(["On hold", { kind: "call", label, role: "operator" }]);
});

it("leads to the print that needs a person's word, and sends nothing by itself", () => {
  expect(told("needs_attention")[1]).toMatchObject({ kind: "resolve", printId: "x27" });
});

it("speaks German, too", async () => {
  await speak("de", false);
  expect(told("bed_not_clear")[0]).toBe("Auf dem Bett liegt etwas");
  expect(told("material_missing")[1]).toMatchObject({ label: "Jetzt geladen: PETG black" });
});

it("shows the server's own words for a code that it does not know yet", () => {
  const reason: Reason = {
    printer_id: "p1",
    code: "solar_flare",
    detail: "the sun is too loud",
    unblock: { action: "wait", target: null, params: { for: "sunset" }, method: null, path: null },
  };
  expect(wordsOf(reason, speech)).toBe("the sun is too loud");
  expect(detailOf(reason, speech)).toBe("");
  const text = "Nothing to do here: it passes by itself.";
  expect(remedyOf(reason, speech)).toEqual({ kind: "words", text });
});

it("says in words what only a person can fill in", () => {
  const reason: Reason = {
    printer_id: "p1",
    code: "auth_required",
    detail: "its host refuses the key",
    unblock: request(
      "update_printer",
      "p1",
      { ask: ["connection"] },
      "/api/v1/printers/p1",
      "PATCH",
    ),
  };
  const text = "Enter a valid key or password for the printer.";
  expect(remedyOf(reason, speech)).toEqual({ kind: "words", text });
});
