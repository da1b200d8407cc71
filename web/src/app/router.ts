// Which page an address is, and that nobody comes past the sign-in without a session.
import { watch } from "vue";
import { createRouter, createWebHistory, type RouteLocationNormalized } from "vue-router";

import { onSignedOut } from "@/api/client";
import { i18n, speakWholly } from "@/i18n";

import { ROUTES } from "./routes";
import { useSession } from "./session";

type Lazy<T> = () => Promise<T>;

export const router = createRouter({
  history: createWebHistory(),
  routes: ROUTES,
  // Another filter of the same page leaves it where it is.
  scrollBehavior: (to, from, saved) => saved ?? (to.path === from.path ? false : { top: 0 }),
});

/** Ask for the page that the address names, and who is signed in, while the words are fetched. */
export function askAhead(): void {
  const { matched, meta } = router.resolve(location.pathname);
  // Where one of them fails, the navigation that follows fails with it, and says so.
  if (matched.length && !meta.open) void useSession().resume().catch(() => undefined);
  for (const { components } of matched) {
    for (const page of Object.values(components ?? {})) {
      if (typeof page === "function") void (page as Lazy<unknown>)().catch(() => undefined);
    }
  }
}

/** Where to go on after signing in: an address of ours, never another site's. */
export function addressAfter(next: unknown): string {
  return typeof next === "string" && /^\/(?![/\\])/.test(next) ? next : "/";
}

function toSignIn(from: RouteLocationNormalized): { name: string; query: { next?: string } } {
  return { name: "sign-in", query: from.fullPath === "/" ? {} : { next: from.fullPath } };
}

/** The pages whose words come with the first ones. */
const WORDED_FIRST = ["farm", "not-found"];

/** Set the router up; needs pinia. */
export function guard(): void {
  const session = useSession();
  router.beforeEach(async (to) => {
    if (to.meta.open) return true;
    if (!(await session.resume())) return toSignIn(to);
    if (to.meta.role && !session.covers(to.meta.role)) return { name: "farm" };
    if (!WORDED_FIRST.includes(String(to.name))) await speakWholly();
    return true;
  });
  onSignedOut(() => {
    const here = router.currentRoute.value;
    session.leave();
    if (!here.meta.open && here.matched.length) void router.replace(toSignIn(here));
  });
  watch(
    () => session.me,
    (me) => {
      const { role } = router.currentRoute.value.meta;
      if (me && role && !session.covers(role)) void router.replace({ name: "farm" });
    },
  );
  const { t } = i18n.global;
  watch(
    () => [router.currentRoute.value.meta.title, i18n.global.locale.value] as const,
    ([title]) => (document.title = title ? `${t(title)} · Buildplate` : "Buildplate"),
  );
}
