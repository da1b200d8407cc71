// Why a print waits on a printer, in words of the chosen language, and what a person can do there.
import type { components } from "@/api/schema";
import type { Role } from "@/app/session";

export type Reason = components["schemas"]["ReasonOut"];
export type Unblock = components["schemas"]["UnblockOut"];

/** The language at hand: vue-i18n's `t` and `te`, moments and numbers. */
export interface Speech {
  t: (key: string, named?: Record<string, unknown>) => string;
  te: (key: string) => boolean;
  /** A moment: the time of day, with the day where it is not today. */
  when: (at: Date) => string;
  isToday: (at: Date) => boolean;
  number: (value: number) => string;
}

/** What helps: a request that a button sends, the word on an ended print, or plain words. */
export type Remedy =
  | { kind: "call"; label: string; role: Role }
  | { kind: "resolve"; label: string; printId: string }
  | { kind: "words"; text: string };

/** Reasons that do not lie with a printer: they are said once, not at every printer. */
export const OF_THE_PRINT: ReadonlySet<string> = new Set([
  "farm_stopped",
  "on_hold",
  "file_not_ready",
  "retry_backoff",
]);

/** Where the server's own words hold figures that nothing else tells. */
const DETAIL_SAYS_MORE: ReadonlySet<string> = new Set([
  "busy",
  "higher_priority_first",
  "material_missing",
  "material_variant",
  "model_mismatch",
  "not_capable",
  "not_enough_material",
  "nozzle_mismatch",
  "fit_unknown",
  "group_mismatch",
  "plate_mismatch",
  "storage_full",
  "tag_mismatch",
  "temperature_limit",
  "too_small",
]);

/** The reason in our words; a code that this page does not know yet in the server's. */
export function wordsOf(reason: Pick<Reason, "code" | "detail">, speech: Speech): string {
  const key = `reason.code.${reason.code}`;
  return speech.te(key) ? speech.t(key) : reason.detail;
}

/** What the server adds to our words (it speaks English); empty where it adds nothing. */
export function detailOf(reason: Reason, speech: Speech): string {
  const known = speech.te(`reason.code.${reason.code}`);
  return known && DETAIL_SAYS_MORE.has(reason.code) ? reason.detail : "";
}

/** What can be done about a reason; `unblock` is a request of the API as it stands, or none. */
export function remedyOf({ unblock }: Reason, speech: Speech): Remedy {
  const asked = unblock.params["ask"];
  if (unblock.action === "resolve_print" && unblock.target) {
    const label = speech.t("reason.do.resolve_print");
    return { kind: "resolve", label, printId: unblock.target };
  }
  if (Array.isArray(asked)) return { kind: "words", text: askWords(asked, speech) };
  if (unblock.action === "wait" || unblock.path === null) return waiting(unblock, speech);
  const found = labelOf(unblock, speech);
  if (found === null) return { kind: "words", text: speech.t("reason.wait.other") };
  return { kind: "call", ...found };
}

function askWords(asked: readonly unknown[], speech: Speech): string {
  const field = String(asked[0] ?? "").split(".")[0];
  return speech.te(`reason.ask.${field}`)
    ? speech.t(`reason.ask.${field}`)
    : speech.t("reason.ask.other");
}

function waiting({ params }: Unblock, speech: Speech): Remedy {
  const what = String(params["for"] ?? "other");
  const known = speech.te(`reason.wait.${what}`);
  const text = speech.t(`reason.wait.${known ? what : "other"}`);
  const until = typeof params["until"] === "string" ? new Date(params["until"]) : null;
  if (until === null || Number.isNaN(until.getTime())) return { kind: "words", text };
  const given = { at: speech.when(until) };
  const today = speech.isToday(until);
  const when = today ? speech.t("reason.until_today", given) : speech.t("reason.until", given);
  return { kind: "words", text: `${text} ${when}` };
}

interface Label {
  label: string;
  role: Role;
}

const SIMPLE: ReadonlySet<string> = new Set([
  "clear_bed",
  "connect",
  "end_maintenance",
  "release_job",
  "confirm_print",
  "reorder_queue",
  "release_queue",
  "assign_print",
]);

function labelOf(unblock: Unblock, speech: Speech): Label | null {
  if (SIMPLE.has(unblock.action)) {
    return { label: speech.t(`reason.do.${unblock.action}`), role: "operator" };
  }
  if (unblock.action === "update_printer") return ofPrinter(unblock.params, speech);
  if (unblock.action === "update_job") return ofJob(unblock.params, speech);
  return null;
}

type Params = Unblock["params"];
type Loaded = components["schemas"]["LoadedBody"];

function ofPrinter(params: Params, speech: Speech): Label | null {
  const { enabled, materials, plate, model, tags } = params as Partial<
    components["schemas"]["PrinterPatch"]
  >;
  const says = (name: string, what = ""): string => speech.t(`reason.do.${name}`, { what });
  if (enabled === true) return { label: says("enable"), role: "operator" };
  if (materials) {
    return { label: says("materials", materialsOf(materials, speech)), role: "operator" };
  }
  if (plate) return { label: says("plate", plate), role: "operator" };
  if (model?.nozzles_mm) {
    return { label: says("nozzles", millimetres(model.nozzles_mm, speech, ", ")), role: "admin" };
  }
  if (tags) {
    const label = tags.length ? says("tags", tags.join(", ")) : says("no_tags");
    return { label, role: "admin" };
  }
  return null;
}

function ofJob(params: Params, speech: Speech): Label | null {
  const asked = params["requirements"] as Partial<components["schemas"]["RequirementsBody"]>;
  const says = (name: string, what = ""): Label => {
    return { label: speech.t(`reason.do.${name}`, { what }), role: "operator" };
  };
  if (asked.printers) return says("ask_printers");
  if (asked.printer_model) return says("ask_model", asked.printer_model);
  if (asked.build_volume) {
    const { x, y, z } = asked.build_volume;
    return says("ask_size", millimetres([x, y, z], speech, " × "));
  }
  if (asked.tags_all || asked.tags_none) return says("ask_tags");
  if (asked.group === undefined) return null;
  return asked.group === null ? says("ask_no_group") : says("ask_group", asked.group);
}

function millimetres(values: readonly number[], { number }: Speech, between: string): string {
  return `${values.map(number).join(between)} mm`;
}

function materialsOf(loaded: readonly Loaded[], speech: Speech): string {
  const names = loaded.map((one) => ({
    tool: one.tool,
    material: [
      one.type,
      one.color,
      one.variant,
      typeof one.remaining_g !== "number" ? null : `${speech.number(one.remaining_g)} g`,
    ]
      .filter(Boolean)
      .join(" "),
  }));
  if (names.length === 1) return names[0]?.material ?? "";
  return names.map((one) => speech.t("reason.tool", one)).join(", ");
}
