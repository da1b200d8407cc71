import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { api, data, onSignedOut, useCsrfToken } from "./client";
import { Problem } from "./problem";

const fetched = vi.fn<(request: Request) => Promise<Response>>();
const signedOut = vi.fn<() => void>();
const problem = (status: number, code: string) =>
  new Response(JSON.stringify({ status, code, detail: "it happened", hint: "do this" }), {
    status,
    headers: { "content-type": "application/problem+json" },
  });
const fine = () => Response.json({ name: "ann" });

async function problemIn(promise: Promise<unknown>): Promise<Problem> {
  const thrown = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(thrown).toBeInstanceOf(Problem);
  return thrown as Problem;
}

beforeEach(() => {
  vi.stubGlobal("fetch", fetched);
  onSignedOut(signedOut);
});
afterEach(() => {
  vi.unstubAllGlobals();
  useCsrfToken(null);
});

describe("the client", () => {
  it("sends the CSRF token with changes, and with nothing else", async () => {
    useCsrfToken("a-token");
    fetched.mockImplementation(async () => fine());
    await api.GET("/api/v1/me");
    await api.POST("/api/v1/auth/logout");
    const sent = fetched.mock.calls.map(([request]) => request.headers.get("x-csrf-token"));
    expect(sent).toEqual([null, "a-token"]);
  });

  it("throws what the server says went wrong", async () => {
    fetched.mockResolvedValue(problem(409, "bed_not_clear"));
    const found = await problemIn(api.GET("/api/v1/queue"));
    expect(found).toMatchObject({
      status: 409,
      code: "bed_not_clear",
      detail: "it happened",
      hint: "do this",
      refused: true,
    });
    expect(signedOut).not.toHaveBeenCalled();
  });

  it("knows that nothing answered from a refusal", async () => {
    fetched.mockRejectedValue(new TypeError("network"));
    const found = await problemIn(api.GET("/api/v1/queue"));
    expect(found).toMatchObject({ status: 0, code: "unreachable", refused: false });
  });

  it("does not take a proxy's error page for an answer of ours", async () => {
    fetched.mockResolvedValue(new Response("<h1>Bad gateway</h1>", { status: 502 }));
    const found = await problemIn(api.GET("/api/v1/queue"));
    expect(found).toMatchObject({ status: 502, code: "not_understood", refused: false });
  });

  it("leads to the sign-in when the session is over", async () => {
    fetched.mockResolvedValue(problem(401, "key_required"));
    await problemIn(api.GET("/api/v1/queue"));
    expect(signedOut).toHaveBeenCalledOnce();
  });

  it("takes a wrong password for a wrong password", async () => {
    fetched.mockImplementation(async () => problem(401, "login_failed"));
    const body = { name: "ann", password: "wrong" };
    const found = await problemIn(api.POST("/api/v1/auth/login", { body }));
    expect(found.code).toBe("login_failed");
    await problemIn(
      api.POST("/api/v1/me/password", { body: { old_password: "wrong", new_password: "another" } }),
    );
    expect(signedOut).not.toHaveBeenCalled();
  });

  it("gives the body of an answer", async () => {
    fetched.mockResolvedValue(fine());
    expect(await data(api.GET("/api/v1/me"))).toEqual({ name: "ann" });
  });
});
