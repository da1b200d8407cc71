// What is asked about one job: it stands on the page, as rows go when their job moves on.
import { inject, provide, shallowRef, type InjectionKey, type ShallowRef } from "vue";

import type { LiveJob } from "@/live/frames";

export interface JobQuestion {
  kind: "cancel" | "edit";
  /** As it was when it was asked about. */
  job: LiveJob;
}

type Asked = ShallowRef<JobQuestion | null>;
const KEY: InjectionKey<Asked> = Symbol("what is asked about a job");

/** Called by the page that shows the question. */
export function provideJobQuestion(): Asked {
  const asked = shallowRef<JobQuestion | null>(null);
  provide(KEY, asked);
  return asked;
}

/** How a menu on that page asks. */
export function useJobQuestion(): (question: JobQuestion) => void {
  const asked = inject(KEY);
  if (!asked) throw new Error("no page here shows questions about jobs");
  return (question) => (asked.value = question);
}
