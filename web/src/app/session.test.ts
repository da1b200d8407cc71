// What is left of a session after its end: nothing.
import { QueryClient, VueQueryPlugin } from "@tanstack/vue-query";
import { createPinia } from "pinia";
import { afterEach, expect, it, vi } from "vitest";
import { createApp } from "vue";

import { useSession } from "./session";

afterEach(() => vi.unstubAllGlobals());

it("forgets what was read when one signs out: the next person is not shown it", async () => {
  vi.stubGlobal("fetch", async () => new Response(null, { status: 204 }));
  const queries = new QueryClient();
  const app = createApp({ render: () => null });
  app.use(createPinia()).use(VueQueryPlugin, { queryClient: queries });
  const session = app.runWithContext(() => useSession());
  session.me = { name: "ann", role: "admin" } as NonNullable<typeof session.me>;
  queries.setQueryData(["users"], ["ann", "bob"]);
  await session.signOut();
  expect(session.me).toBeNull();
  expect(queries.getQueryData(["users"])).toBeUndefined();
});
