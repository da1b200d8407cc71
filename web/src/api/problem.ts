// What went wrong, as the server says it: a stable code, what happened, and what to do.
import type { components } from "@/api/schema";

type Told = Partial<components["schemas"]["Problem"]>;
export type FieldError = components["schemas"]["FieldError"];

/** The server did not answer at all: whether it did what was asked is not known. */
export const UNREACHABLE = "unreachable";
/** Something that is no problem document answered, as a proxy might. */
export const NOT_OURS = "not_understood";

/** An error of the API (RFC 9457); `status` is 0 where nothing answered. */
export class Problem extends Error {
  readonly status: number;
  readonly code: string;
  readonly hint: string;
  readonly errors: readonly FieldError[];

  /** `read`: it was only asked for something, so that nothing can have been changed. */
  constructor(status: number, told: Told = {}, readonly read = false) {
    const code = told.code ?? (status === 0 ? UNREACHABLE : NOT_OURS);
    super(told.detail ?? code);
    this.name = "Problem";
    this.status = status;
    this.code = code;
    this.hint = told.hint ?? "";
    this.errors = told.errors ?? [];
  }

  get detail(): string {
    return this.message;
  }

  /** Whether the server refused, so that nothing was changed. */
  get refused(): boolean {
    return this.status >= 400 && this.status < 500 && this.code !== NOT_OURS;
  }
}

/** The problem that an answer which is no success tells. */
export async function problemOf(answer: Response, read = false): Promise<Problem> {
  const type = answer.headers.get("content-type") ?? "";
  if (!type.startsWith("application/problem+json")) return new Problem(answer.status, {}, read);
  try {
    return new Problem(answer.status, (await answer.json()) as Told, read);
  } catch {
    return new Problem(answer.status, {}, read);
  }
}

/** Whatever was thrown, as a problem; a mistake of the UI's own stays what it is. */
export function asProblem(thrown: unknown): Problem {
  if (thrown instanceof Problem) return thrown;
  if (thrown instanceof TypeError || thrown instanceof DOMException) return new Problem(0);
  throw thrown;
}
