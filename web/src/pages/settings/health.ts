// The parts of the farm whose health is told, what needs a hand first.
import type { components } from "@/api/schema";

type Schemas = components["schemas"];
export type Detailed = Schemas["DetailedOut"];
interface Told {
  key: string;
  status: Schemas["Health"];
}

export type Part = Told &
  (
    | { name: "database"; answer: number | null }
    | { name: "storage"; free: number | null; total: number | null }
    | { name: "queue"; waiting: number | null; active: number | null }
    | { name: "secrets"; told: Trouble | null }
    | { name: "printer"; title: string; told: Trouble | null; age: number | null }
  );

/** What is wrong with a part, as a problem tells it. */
interface Trouble {
  code: string;
  detail: string;
  hint: string;
}

function troubleOf(code: string, told: { problem: string; hint: string }): Trouble {
  return { code, detail: told.problem, hint: told.hint };
}

const WEIGHT: Record<Schemas["Health"], number> = { down: 0, degraded: 1, ok: 2 };

/** Every part, those that are not well first; else the farm's own parts before its printers. */
export function partsOf(found: Detailed): Part[] {
  const { database, storage, queue, secrets } = found;
  const unknown = queue.waiting === null || queue.active === null;
  const parts: Part[] = [
    { key: "database", name: "database", status: database.status, answer: database.answer_s },
    {
      key: "storage",
      name: "storage",
      status: storage.status,
      free: storage.free_bytes,
      total: storage.total_bytes,
    },
    { key: "queue", name: "queue", status: unknown ? "down" : "ok", ...queue },
    {
      key: "secrets",
      name: "secrets",
      status: secrets.status,
      told: secrets.problem ? troubleOf("secret_locked", secrets) : null,
    },
    ...found.each_printer.map((one): Part => ({
      key: one.id,
      name: "printer",
      status: one.status,
      title: one.name,
      told: one.problem ? troubleOf(one.problem_code, one) : null,
      age: one.age_s,
    })),
  ];
  return parts.sort((a, b) => WEIGHT[a.status] - WEIGHT[b.status]);
}
