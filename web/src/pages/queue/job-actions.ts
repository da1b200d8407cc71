// What can be done with a job as it stands, and the calls behind it.
import { api, data } from "@/api/client";
import { hasEnded } from "@/live/ended";
import type { LiveJob } from "@/live/frames";

export type JobAction = "hold" | "release" | "edit" | "retry" | "duplicate" | "cancel";

/** The actions that make sense for a job, in the order of a menu. */
export function actionsFor(job: LiveJob): JobAction[] {
  const ended = hasEnded(job);
  const missing = job.finished + job.active + job.queued < job.copies;
  const found: JobAction[] = [];
  if (!ended) found.push(job.hold ? "release" : "hold", "edit");
  if (missing && job.state !== "cancelled") found.push("retry");
  found.push("duplicate");
  if (!ended) found.push("cancel");
  return found;
}

const of = (id: string) => ({ params: { path: { job_id: id } } });

export async function hold(id: string): Promise<void> {
  await api.POST("/api/v1/jobs/{job_id}/hold", of(id));
}

export async function release(id: string): Promise<void> {
  await api.POST("/api/v1/jobs/{job_id}/release", of(id));
}

export async function retry(id: string): Promise<void> {
  await api.POST("/api/v1/jobs/{job_id}/retry", of(id));
}

export async function cancel(id: string): Promise<void> {
  await api.POST("/api/v1/jobs/{job_id}/cancel", of(id));
}

/** Order the same again; the same key twice is one order. */
export async function duplicate(id: string, key: string): Promise<LiveJob> {
  const params = { path: { job_id: id }, header: { "idempotency-key": key } };
  return data(api.POST("/api/v1/jobs/{job_id}/duplicate", { params }));
}
