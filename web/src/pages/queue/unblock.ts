// Sends the request that removes a reason, exactly as the server has told it.
import { send } from "@/api/client";

import type { Unblock } from "./reasons";

/** Do what an unblock says; throws Problem where the server refuses. */
export async function perform({ method, path, params }: Unblock): Promise<void> {
  if (method === null || path === null) return;
  const request = new Request(new URL(path, location.origin), {
    method,
    credentials: "same-origin",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(params),
  });
  await send(request);
}
