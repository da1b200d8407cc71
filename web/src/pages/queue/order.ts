// What an order's form says, as the API takes it.
import type { components } from "@/api/schema";
import type { LiveJob } from "@/live/frames";

type JobBody = components["schemas"]["JobBody"];
type JobPatch = components["schemas"]["JobPatch"];

export const PRIORITIES = ["urgent", "high", "normal", "low"] as const;
export type Priority = (typeof PRIORITIES)[number];

export interface OrderForm {
  fileId: string;
  name: string;
  copies: number | undefined;
  priority: Priority;
  /** As a `datetime-local` field has it: of this place, without a zone. */
  due: string;
  customer: string;
  reference: string;
  printer: string;
  group: string;
  material: string;
  color: string;
  retries: number | undefined;
  hold: boolean;
}

export function emptyOrder(): OrderForm {
  return {
    fileId: "",
    name: "",
    copies: 1,
    priority: "normal",
    due: "",
    customer: "",
    reference: "",
    printer: "",
    group: "",
    material: "",
    color: "",
    retries: 1,
    hold: false,
  };
}

/** A local date and time as the API takes it; null where there is none. */
export function dueOf(local: string): string | null {
  const at = new Date(local);
  return local === "" || Number.isNaN(at.getTime()) ? null : at.toISOString();
}

/** A moment of the API as a `datetime-local` field takes it. */
export function localOf(due: string | null): string {
  if (due === null) return "";
  const at = new Date(due);
  const shifted = new Date(at.getTime() - at.getTimezoneOffset() * 60_000);
  return shifted.toISOString().slice(0, 16);
}

const given = (text: string): string | null => text.trim() || null;

/** The order; needs a form that is `complete`. */
export function bodyOf(form: OrderForm): JobBody {
  const type = given(form.material);
  const need = type === null ? [] : [{ tool: 0, type, color: given(form.color) }];
  return {
    file_id: form.fileId,
    name: given(form.name),
    copies: form.copies ?? 1,
    priority: form.priority,
    due: dueOf(form.due),
    customer: given(form.customer),
    reference: given(form.reference),
    retries: form.retries ?? 0,
    hold: form.hold,
    requirements: {
      group: form.group || null,
      printers: form.printer ? [form.printer] : [],
      materials: need,
    },
  };
}

export interface EditForm {
  copies: number | undefined;
  priority: Priority;
  due: string;
  customer: string;
  reference: string;
}

export function editOf(job: LiveJob): EditForm {
  return {
    copies: job.copies,
    priority: job.priority,
    due: localOf(job.due),
    customer: job.customer ?? "",
    reference: job.reference ?? "",
  };
}

/** A merge patch of what was changed in the form, and of nothing else. */
export function patchOf(before: EditForm, after: EditForm): JobPatch {
  const patch: JobPatch = {};
  if (after.copies !== before.copies && after.copies !== undefined) patch.copies = after.copies;
  if (after.priority !== before.priority) patch.priority = after.priority;
  if (after.due !== before.due) patch.due = dueOf(after.due);
  if (after.customer !== before.customer) patch.customer = given(after.customer);
  if (after.reference !== before.reference) patch.reference = given(after.reference);
  return patch;
}
