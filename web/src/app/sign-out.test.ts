// Leaving, as the server answers it.
import { VueQueryPlugin } from "@tanstack/vue-query";
import { flushPromises, mount } from "@vue/test-utils";
import { createPinia } from "pinia";
import { afterEach, beforeAll, beforeEach, expect, it, vi } from "vitest";
import { createMemoryHistory, createRouter, type Router } from "vue-router";

import { i18n, speak } from "@/i18n";
import { useNotices } from "@/ui/notices";

import { useSession, type Me } from "./session";
import { useSignOut } from "./sign-out";

const page = { render: () => null };
let router: Router;
beforeAll(() => speak("en", false));
beforeEach(async () => {
  const signIn = { path: "/in", name: "sign-in", component: page };
  const routes = [{ path: "/", component: page }, signIn];
  router = createRouter({ history: createMemoryHistory(), routes });
  await router.push("/");
});
afterEach(() => {
  useNotices().forget();
  vi.unstubAllGlobals();
});

/** Sign out before this answer; who is signed in then, and what was said. */
async function signOut(answer: () => Promise<Response>): Promise<{ in: boolean; said: string[] }> {
  vi.stubGlobal("fetch", answer);
  let session: ReturnType<typeof useSession> | null = null;
  let leave = async (): Promise<void> => undefined;
  const person = {
    setup() {
      session = useSession();
      session.me = { name: "ann", role: "viewer" } as Me;
      leave = useSignOut();
    },
    render: () => null,
  };
  const plugins = [createPinia(), i18n, VueQueryPlugin, router];
  mount(person, { global: { plugins } });
  await leave();
  await flushPromises();
  const said = useNotices().list.map((one) => one.text);
  return { in: (session as unknown as ReturnType<typeof useSession>).me !== null, said };
}
function refusal(status: number): () => Promise<Response> {
  const headers = { "content-type": "application/problem+json" };
  return async () => new Response(JSON.stringify({ status, code: "x", detail: "" }), {
    status, headers,
  });
}
const where = (): unknown => router.currentRoute.value.name;

it("leads to the sign-in", async () => {
  const done = await signOut(async () => new Response(null, { status: 204 }));
  expect(done).toEqual({ in: false, said: [] });
  expect(where()).toBe("sign-in");
});

it("takes a session that has ended for what it is: signed out", async () => {
  const done = await signOut(refusal(401));
  expect(done).toEqual({ in: false, said: [] });
  expect(where()).toBe("sign-in");
});

it("says that one is still signed in where the server refused", async () => {
  expect(await signOut(refusal(403))).toEqual({ in: true, said: ["You are still signed in."] });
  expect(where()).not.toBe("sign-in");
});

it.each([
  ["nobody answers", () => Promise.reject(new TypeError("network"))],
  ["something on the way answers", async () => new Response("?", { status: 502 })],
])("claims nothing where %s", async (_, answer) => {
  const done = await signOut(answer);
  expect(done).toEqual({ in: true, said: ["It is not known whether you are signed out."] });
});
