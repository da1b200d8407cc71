// The farm's own things: printers as they are told live; jobs and files as the server lists them.
import { FileBox, Package } from "@lucide/vue";
import { keepPreviousData, useQuery } from "@tanstack/vue-query";
import { refDebounced } from "@vueuse/core";
import { computed, type ComputedRef, type Ref } from "vue";
import { useI18n } from "vue-i18n";
import { useRouter } from "vue-router";

import { api, data } from "@/api/client";
import { asProblem, Problem } from "@/api/problem";
import type { LiveJob } from "@/live/frames";
import { usePrintNames } from "@/live/prints";
import { useLive } from "@/live/store";
import { LOOKS, stateOf } from "@/ui/states";

import type { Entry } from "./entry";

/** The newest of each that are looked through; a job's number finds every one. */
const JOBS = 200;
const FILES = 1000;
/** How long one may go on typing before a number is asked for, in ms. */
const TYPING_MS = 200;
/** How long a list that was fetched is good for, in ms. */
const FRESH_MS = 30_000;
const NUMBER = /^#?(\d{1,9})$/;

export interface Things {
  entries: ComputedRef<Entry[]>;
  /** Whether the server was asked and has not answered yet. */
  pending: ComputedRef<boolean>;
  problem: ComputedRef<Problem | null>;
  again(): void;
}

/** The printers, by their numbers. */
function usePrinterEntries(): ComputedRef<Entry[]> {
  const { t } = useI18n();
  const router = useRouter();
  const live = useLive();
  const prints = usePrintNames();
  return computed(() =>
    [...live.printers.values()]
      .sort((a, b) => a.number - b.number)
      .map((printer) => {
        const state = stateOf(printer);
        const word = t(`state.${state}`);
        const print = prints.nameOf(printer.print_id);
        const what = live.jobs.get(print?.job_id ?? "")?.name ?? "";
        return {
          key: `printer:${printer.id}`,
          kind: "printer",
          label: printer.name,
          about: [word, what].filter(Boolean).join(" · "),
          words: [word, what, String(printer.number)],
          icon: LOOKS[state].icon,
          goes: true,
          act: () => void router.push({ name: "printer", params: { id: printer.id } }),
        };
      }),
  );
}

function useJobEntries(jobs: ComputedRef<Iterable<LiveJob>>): ComputedRef<Entry[]> {
  const { t } = useI18n();
  const router = useRouter();
  return computed(() =>
    [...jobs.value]
      .sort((a, b) => b.number - a.number)
      .map((job) => {
        const number = t("job.number", { number: job.number });
        const state = t(`queue.job_state.${job.state}`);
        return {
          key: `job:${job.id}`,
          kind: "job",
          label: job.name,
          about: `${number} · ${state}`,
          words: [String(job.number), `#${job.number}`, number, state, job.customer ?? "",
            job.reference ?? ""],
          icon: Package,
          goes: true,
          act: () => void router.push({ name: "job", params: { id: job.id } }),
        };
      }),
  );
}

async function jobOf(number: string): Promise<LiveJob | null> {
  try {
    const path = { params: { path: { job_id: number } } };
    return await data(api.GET("/api/v1/jobs/{job_id}", path));
  } catch (thrown) {
    if (thrown instanceof Problem && thrown.status === 404) return null;
    throw thrown;
  }
}

/** What the farm has that may fit the query; the server is asked once something was typed. */
export function useThings(query: Ref<string>): Things {
  const router = useRouter();
  const live = useLive();
  const typed = computed(() => query.value.trim() !== "");
  const settled = refDebounced(query, TYPING_MS);
  const number = computed(() => NUMBER.exec(settled.value.trim())?.[1] ?? "");

  const jobs = useQuery({
    queryKey: ["palette", "jobs"],
    queryFn: () => data(api.GET("/api/v1/jobs", { params: { query: { limit: JOBS } } })),
    enabled: typed,
    staleTime: FRESH_MS,
  });
  const files = useQuery({
    queryKey: ["palette", "files"],
    queryFn: () => data(api.GET("/api/v1/files", { params: { query: { limit: FILES } } })),
    enabled: typed,
    staleTime: FRESH_MS,
  });
  const numbered = useQuery({
    queryKey: computed(() => ["palette", "job", number.value]),
    queryFn: () => jobOf(number.value),
    enabled: computed(() => number.value !== ""),
    placeholderData: keepPreviousData,
    staleTime: FRESH_MS,
  });

  const known = computed(() => {
    const found = new Map<string, LiveJob>();
    if (number.value && numbered.data.value) found.set(numbered.data.value.id, numbered.data.value);
    for (const job of jobs.data.value?.items ?? []) found.set(job.id, job);
    for (const job of live.jobs.values()) found.set(job.id, job); // the newest word on it
    return found.values();
  });
  const printerEntries = usePrinterEntries();
  const jobEntries = useJobEntries(known);
  const fileEntries = computed(() =>
    (files.data.value?.items ?? []).map(
      (file): Entry => ({
        key: `file:${file.id}`,
        kind: "file",
        label: file.name,
        about: "",
        words: [],
        icon: FileBox,
        goes: true,
        act: () => void router.push({ name: "files", query: { file: file.id } }),
      }),
    ),
  );

  const asked = [jobs, files, numbered];
  return {
    entries: computed(() => [...printerEntries.value, ...jobEntries.value, ...fileEntries.value]),
    pending: computed(() => asked.some((one) => one.isFetching.value && !one.isFetched.value)),
    problem: computed(() => {
      const failed = asked.find((one) => one.error.value !== null);
      return failed?.error.value ? asProblem(failed.error.value) : null;
    }),
    again: () => asked.forEach((one) => one.error.value && void one.refetch()),
  };
}
