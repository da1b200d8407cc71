// The installed drivers, and which one a printer has.
import { useQuery } from "@tanstack/vue-query";
import { computed, type ComputedRef } from "vue";
import { useI18n } from "vue-i18n";

import { api, data } from "@/api/client";
import { asProblem, Problem } from "@/api/problem";
import type { components } from "@/api/schema";

import { fieldsOf, type ConnectionField } from "./connection";

export type Driver = components["schemas"]["DriverOut"];

export interface Drivers {
  /** undefined until they are known. */
  all: ComputedRef<readonly Driver[] | undefined>;
  problem: ComputedRef<Problem | null>;
  again: () => void;
}

export function useDrivers(): Drivers {
  const query = useQuery({
    queryKey: ["drivers"],
    queryFn: async () => (await data(api.GET("/api/v1/drivers"))).items,
    staleTime: Infinity, // they change with the server's next start only
  });
  return {
    all: computed(() => query.data.value),
    problem: computed(() => (query.error.value ? asProblem(query.error.value) : null)),
    again: () => void query.refetch(),
  };
}

export interface DriverWords {
  title(driver: Driver): string;
  about(driver: Driver): string;
  fields(driver: Driver): ConnectionField[];
}

/** A driver's own words are English; of those that come with Buildplate we have others. */
export function useDriverWords(): DriverWords {
  const { t, te } = useI18n();
  function worded(driver: string, name: string, otherwise: string): string {
    const key = `printer.known.${driver}.${name}`;
    return te(key) ? t(key) : otherwise;
  }
  return {
    title: (driver) => worded(driver.name, "_title", driver.title),
    about: (driver) => worded(driver.name, "_about", driver.description),
    fields: (driver) =>
      fieldsOf(driver.connection_schema, driver.secrets).map((field) => ({
        ...field,
        title: worded(driver.name, field.name, field.title),
        description: worded(driver.name, `${field.name}_hint`, field.description),
        names: Object.fromEntries(
          field.choices.map((one) => [one, worded(driver.name, `${field.name}_is_${one}`, one)]),
        ),
      })),
  };
}
