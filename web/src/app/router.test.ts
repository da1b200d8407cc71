import { VueQueryPlugin } from "@tanstack/vue-query";
import { createPinia } from "pinia";
import { beforeAll, beforeEach, expect, it, vi } from "vitest";
import { createApp, nextTick } from "vue";

import { i18n, speak } from "@/i18n";
import { useLive } from "@/live/store";

import { addressAfter, guard, router } from "./router";
import { useSession, type Me } from "./session";

const fetched = vi.fn<(request: Request) => Promise<Response>>();
vi.stubGlobal("fetch", fetched);
vi.stubGlobal(
  "WebSocket",
  class {
    close(): void {
      // nothing was opened
    }
  },
);

const app = createApp({ render: () => null });
app.use(createPinia()).use(i18n).use(VueQueryPlugin);
app.runWithContext(guard);

const refusal = () =>
  new Response(JSON.stringify({ status: 401, code: "key_required", detail: "", hint: "" }), {
    status: 401,
    headers: { "content-type": "application/problem+json" },
  });
const ann = () => Response.json({ name: "ann", role: "viewer", csrf_token: "t" });

beforeAll(() => speak("en", false));
beforeEach(() => {
  fetched.mockReset();
});

it("leads who is not signed in to the sign-in, and keeps where they wanted to go", async () => {
  fetched.mockImplementation(async () => refusal());
  await router.push("/nowhere?of=today#top");
  expect(router.currentRoute.value.name).toBe("sign-in");
  expect(router.currentRoute.value.query["next"]).toBe("/nowhere?of=today#top");
});

it("lets nobody be led to another site after the sign-in", () => {
  expect(addressAfter("/queue?x=1")).toBe("/queue?x=1");
  for (const other of ["//evil.example", "/\\evil.example", "https://evil.example", "", null, [""]])
    expect(addressAfter(other)).toBe("/");
});

it("says that the server cannot be reached, and does not take it for signed out", async () => {
  fetched.mockRejectedValue(new TypeError("network"));
  await expect(router.push("/")).rejects.toMatchObject({ code: "unreachable" });
});

it("asks once who is signed in, and opens every page then", async () => {
  fetched.mockImplementation(async () => ann());
  await router.push("/");
  await router.push("/nowhere");
  expect(router.currentRoute.value.name).toBe("not-found");
  expect(fetched).toHaveBeenCalledOnce();
});

it("reads rights anew when they change, and leaves a page that is closed by then", async () => {
  const live = useLive();
  const session = useSession();
  const { meta } = router.currentRoute.value;
  const role = () => session.me?.role;
  session.me = { name: "ann", role: "admin", csrf_token: "t" } as Me;
  meta.role = "operator";
  await nextTick();
  fetched.mockRejectedValueOnce(new TypeError("network"));
  live.rights += 1;
  await vi.waitFor(() => expect(fetched).toHaveBeenCalledTimes(1));
  expect(role()).toBe("admin");
  fetched.mockImplementation(async () => ann());
  live.connection = "live";
  await vi.waitFor(() => expect(role()).toBe("viewer"));
  await vi.waitFor(() => expect(router.currentRoute.value.name).toBe("farm"));
  delete meta.role;
  await router.push("/nowhere");
});

it("goes back to the sign-in when the session ends while a page is open", async () => {
  const { api } = await import("@/api/client");
  fetched.mockImplementation(async () => refusal());
  await expect(api.GET("/api/v1/queue")).rejects.toMatchObject({ status: 401 });
  await vi.waitFor(() => expect(router.currentRoute.value.name).toBe("sign-in"));
  expect(router.currentRoute.value.query["next"]).toBe("/nowhere");
});
