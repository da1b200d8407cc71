// What users and keys have in common: roles, and the groups that confine them.
import { useQuery } from "@tanstack/vue-query";
import { computed, type ComputedRef } from "vue";
import { useI18n } from "vue-i18n";

import { api, data } from "@/api/client";
import { everyPage } from "@/api/pages";
import type { Role } from "@/app/session";

/** Characters that a password has at least; the server says no to less. */
export const LEAST_PASSWORD = 10;
export const ROLES: readonly Role[] = ["viewer", "operator", "admin"];

/** The roles as a Select takes them. */
export function useRoles(): ComputedRef<{ value: Role; label: string }[]> {
  const { t } = useI18n();
  return computed(() => ROLES.map((role) => ({ value: role, label: t(`settings.roles.${role}`) })));
}

/** Every printer group; the one query of this key, which has one shape. */
export function useGroups() {
  return useQuery({
    queryKey: ["groups"],
    queryFn: () => everyPage((query) => data(api.GET("/api/v1/groups", { params: { query } }))),
  });
}

/** Groups as they are kept: sorted; null where nobody is confined. */
export function asGroups(confined: boolean, chosen: ReadonlySet<string>): string[] | null {
  return confined ? [...chosen].sort() : null;
}
