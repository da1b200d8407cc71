// An order as the API takes it, of what a person has filled in.
import type { components } from "@/api/schema";

type JobBody = components["schemas"]["JobBody"];
type Asked = Partial<JobBody> & { file_id: string };

export interface Wanted {
  file: string;
  copies: number;
  /** A printer's id; empty: whichever comes first. */
  printer: string;
  priority: JobBody["priority"];
  /** As a field for a date and a time has it, in the browser's own time; empty: any time. */
  due: string;
  /** The printer group that whoever is confined to groups orders for; empty otherwise. */
  group: string;
}

/** The body of POST /api/v1/jobs. */
export function orderOf(wanted: Wanted): JobBody {
  const requirements: components["schemas"]["RequirementsBody"] = {
    ...(wanted.printer ? { printers: [wanted.printer] } : {}),
    ...(wanted.group ? { group: wanted.group } : {}),
  };
  const asked: Asked = {
    file_id: wanted.file,
    copies: wanted.copies,
    priority: wanted.priority,
    ...(Object.keys(requirements).length ? { requirements } : {}),
    ...(wanted.due ? { due: new Date(wanted.due).toISOString() } : {}),
  };
  return asked as JobBody; // what has a default may be left out
}
