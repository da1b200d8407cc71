// What of the audit is asked for, and how an entry is read.
import { api, data } from "@/api/client";
import { everyPage } from "@/api/pages";
import type { components } from "@/api/schema";

type Entry = Pick<components["schemas"]["AuditOut"], "asked" | "changes">;

/** What people look for most; the audit knows every change by its method and path. */
export const ACTIONS = {
  login: "POST /api/v1/auth/login",
  password: "POST /api/v1/me/password",
  user_add: "POST /api/v1/users",
  user_change: "PATCH /api/v1/users/{user_id}",
  user_remove: "DELETE /api/v1/users/{user_id}",
  key_make: "POST /api/v1/keys",
  key_revoke: "DELETE /api/v1/keys/{key_id}",
  printer_add: "POST /api/v1/printers",
  printer_change: "PATCH /api/v1/printers/{printer_id}",
  printer_remove: "DELETE /api/v1/printers/{printer_id}",
  bed_clear: "POST /api/v1/printers/{printer_id}/clear-bed",
  beds_clear: "POST /api/v1/printers/clear-beds",
  upload_begin: "POST /api/v1/uploads",
  file_add: "POST /api/v1/files",
  file_delete: "DELETE /api/v1/files/{file_id}",
  job_order: "POST /api/v1/jobs",
  job_change: "PATCH /api/v1/jobs/{job_id}",
  job_cancel: "POST /api/v1/jobs/{job_id}/cancel",
  print_cancel: "POST /api/v1/prints/{print_id}/cancel",
  printer_cancel: "POST /api/v1/printers/{printer_id}/cancel",
  print_resolve: "POST /api/v1/prints/{print_id}/resolve",
  print_note: "POST /api/v1/prints/{print_id}/notes",
  farm_stop: "POST /api/v1/queue/stop",
  farm_release: "POST /api/v1/queue/release",
  backup_take: "POST /api/v1/backups",
  backup_delete: "DELETE /api/v1/backups/{backup_id}",
} as const;

/** The name of an action among `ACTIONS`; undefined where it has none. */
export function keyOf(action: string): string | undefined {
  return Object.entries(ACTIONS).find(([, one]) => one === action)?.[0];
}

/** Users and keys, whoever may stand in the audit and still exists. */
export async function everyone(): Promise<{ id: string; name: string }[]> {
  const [users, keys] = await Promise.all([
    everyPage((query) => data(api.GET("/api/v1/users", { params: { query } }))),
    data(api.GET("/api/v1/keys")),
  ]);
  return [...users, ...keys.items].map(({ id, name }) => ({ id, name }));
}

/** What was asked for, then each row that changed: as text to read. */
export function inShort(entry: Entry): string[] {
  const texts = entry.asked === null ? [] : [JSON.stringify(entry.asked, null, 1)];
  for (const change of entry.changes) {
    const columns = new Set([
      ...Object.keys(change.before ?? {}),
      ...Object.keys(change.after ?? {}),
    ]);
    const lines = [...columns].map((column) => {
      const [before, after] = [change.before?.[column], change.after?.[column]];
      return `${column}: ${JSON.stringify(before ?? null)} → ${JSON.stringify(after ?? null)}`;
    });
    texts.push([`${change.table} ${change.id ?? ""}`.trim(), ...lines].join("\n"));
  }
  return texts;
}
