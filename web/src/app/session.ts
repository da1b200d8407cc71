// Who is signed in. The cookie is the browser's alone; here are the name, the role and the token.
import { useQueryClient } from "@tanstack/vue-query";
import { defineStore } from "pinia";
import { computed, shallowRef, watch } from "vue";

import { api, data, useCsrfToken } from "@/api/client";
import { asProblem, Problem } from "@/api/problem";
import type { components } from "@/api/schema";
import { usePrintNames } from "@/live/prints";
import { useLive } from "@/live/store";
import { useNotices } from "@/ui/notices";

export type Me = components["schemas"]["MeOut"];
export type Role = components["schemas"]["Role"];
const ROLES: readonly Role[] = ["viewer", "operator", "admin"];

export const useSession = defineStore("session", () => {
  const me = shallowRef<Me | null>(null);
  const queries = useQueryClient();
  const live = useLive();
  const prints = usePrintNames();

  function enter(found: Me): void {
    me.value = found;
    useCsrfToken(found.csrf_token);
    live.start();
  }

  // Other rights: what was read with the old ones may be less, or more, than one may see now.
  let owed = false;
  watch([() => live.rights, () => live.connection], ([rights], [before]) => {
    owed ||= rights !== before;
    if (owed && me.value !== null) void renew();
  });
  async function renew(): Promise<void> {
    try {
      const found = await data(api.GET("/api/v1/me"));
      if (me.value === null) return;
      owed = false;
      me.value = found;
      useCsrfToken(found.csrf_token);
      await queries.invalidateQueries();
    } catch (thrown) {
      asProblem(thrown); // asked again as soon as the connection stands otherwise
    }
  }

  /** Forget who was signed in and all that they were shown. */
  function leave(): void {
    me.value = null;
    owed = false;
    useCsrfToken(null);
    live.stop();
    prints.clear();
    queries.clear();
    useNotices().forget();
  }

  /** Whether the browser's cookie still works; Problem where nobody can say. */
  function resume(): Promise<boolean> {
    if (me.value !== null) return Promise.resolve(true);
    resuming ??= ask().finally(() => (resuming = null));
    return resuming;
  }
  let resuming: Promise<boolean> | null = null;
  async function ask(): Promise<boolean> {
    try {
      enter(await data(api.GET("/api/v1/me")));
      return true;
    } catch (thrown) {
      if (thrown instanceof Problem && thrown.status === 401) return false;
      throw thrown;
    }
  }

  async function signIn(name: string, password: string): Promise<void> {
    enter(await data(api.POST("/api/v1/auth/login", { body: { name, password } })));
  }

  /** Make the first administrator with the set-up link's token, and sign in as them. */
  async function setUp(token: string, name: string, password: string): Promise<void> {
    enter(await data(api.POST("/api/v1/setup", { body: { token, name, password } })));
  }

  /** End the session; one that the server does not know any more has ended already. */
  async function signOut(): Promise<void> {
    try {
      await api.POST("/api/v1/auth/logout");
    } catch (thrown) {
      if (!(thrown instanceof Problem && thrown.status === 401)) throw thrown;
    }
    leave();
  }

  /** Whether the role covers what needs this one; the server refuses the rest anyway. */
  const covers = computed(() => (role: Role) => {
    return me.value !== null && ROLES.indexOf(me.value.role) >= ROLES.indexOf(role);
  });

  return { me, covers, resume, signIn, setUp, signOut, leave };
});
