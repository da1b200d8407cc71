// The one way to the API: typed by its document, with the session's cookie and CSRF token.
import createClient from "openapi-fetch";

import { Problem, problemOf } from "@/api/problem";
import type { paths } from "@/api/schema";

const SAFE = new Set(["GET", "HEAD", "OPTIONS"]);
/** Paths whose 401 means "wrong password", not "signed out". */
const NO_SESSION_NEEDED = /\/api\/v1\/(auth\/login|setup)$/;

let csrfToken: string | null = null;
let signedOut: () => void = () => undefined;

/** Remember the token that goes with every change; null where nobody is signed in. */
export function useCsrfToken(token: string | null): void {
  csrfToken = token;
}

/** Say what happens when the server knows the session no longer. */
export function onSignedOut(act: () => void): void {
  signedOut = act;
}

function pathOf(request: Request): string {
  return new URL(request.url).pathname;
}

/** `fetch` with our headers; throws a Problem for every answer that is no success. */
export async function send(request: Request): Promise<Response> {
  const read = SAFE.has(request.method);
  if (csrfToken !== null && !read) {
    request.headers.set("x-csrf-token", csrfToken);
  }
  let answer: Response;
  try {
    answer = await fetch(request);
  } catch (thrown) {
    if (thrown instanceof DOMException && thrown.name === "AbortError") throw thrown;
    throw new Problem(0, {}, read);
  }
  if (answer.ok) return answer;
  const problem = await problemOf(answer, read);
  const wrongPassword = problem.code === "login_failed" || NO_SESSION_NEEDED.test(pathOf(request));
  if (problem.status === 401 && !wrongPassword) signedOut();
  throw problem;
}

/** The typed client; `(await api.GET("/api/v1/me")).data`. Throws Problem. */
export const api = createClient<paths>({
  baseUrl: typeof location === "undefined" ? "http://localhost" : location.origin,
  credentials: "same-origin",
  fetch: send,
});

/** The body of a successful answer, which every path but a 204 has. */
export async function data<T>(answer: Promise<{ data?: T }>): Promise<T> {
  const found = (await answer).data;
  if (found === undefined) throw new Problem(200);
  return found;
}
