// Orders to a printer: the server takes them at once, the printer carries them out or refuses.
import { api, data } from "./client";
import { asProblem, Problem } from "./problem";
import type { components } from "./schema";

type Command = components["schemas"]["CommandOut"];
/** The command as it stands; undefined where there is nothing to be seen of it yet. */
export type Look = (command: string) => Promise<Command | undefined>;

const EVERY_MS = 400;
/** After so long without the printer's answer it is said that it may still come. */
export const PATIENCE_MS = 60_000;

function lookAt(command: string): Promise<Command> {
  const path = { params: { path: { command_id: command } } };
  return data(api.GET("/api/v1/commands/{command_id}", path));
}

/** The look at an emergency stop: it waits for no record, so that none may be there yet. */
export async function lookAtStop(command: string): Promise<Command | undefined> {
  try {
    return await lookAt(command);
  } catch (thrown) {
    if (asProblem(thrown).status === 404) return undefined;
    throw thrown;
  }
}

/** The command as it stands; undefined where nothing is heard of it now, and may be soon. */
async function seen(command: string, look: Look): Promise<Command | undefined> {
  try {
    return await look(command);
  } catch (thrown) {
    const { status } = asProblem(thrown);
    if (status === 0 || status >= 500) return undefined;
    // The order was taken: whatever the look is refused for, nobody knows what became of it.
    throw new Problem(504, { code: "command_open" });
  }
}

/**
 * Wait until the printer did what it was told; Problem where it refused, where nobody knows, and
 * where it has not answered yet. Ends without a word once `goesOn` says that nobody waits.
 */
export async function carriedOut(
  command: string,
  goesOn: () => boolean = () => true,
  look: Look = lookAt,
): Promise<void> {
  const until = performance.now() + PATIENCE_MS;
  while (goesOn()) {
    const found = await seen(command, look);
    if (found?.state === "answered") return;
    if (found?.state === "refused") {
      throw new Problem(409, { code: "printer_refused", detail: found.answer ?? found.kind });
    }
    // Settled is what was never answered, or not sent at all: it is in nobody's way, and not done.
    if (found?.state === "unknown" || found?.state === "settled") {
      throw new Problem(504, { code: "command_unknown" });
    }
    if (performance.now() > until) throw new Problem(504, { code: "command_open" });
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
}

const to = (printerId: string) => ({ params: { path: { printer_id: printerId } } });

/** Pause or resume what a printer prints; done when the printer itself has answered. */
export async function turn(
  printerId: string,
  order: "pause" | "resume",
  goesOn?: () => boolean,
): Promise<void> {
  const asked =
    order === "pause"
      ? api.POST("/api/v1/printers/{printer_id}/pause", to(printerId))
      : api.POST("/api/v1/printers/{printer_id}/resume", to(printerId));
  await carriedOut((await data(asked)).command_id, goesOn);
}

/** Wish for the end of one print; its state tells the rest. Problem where there is none. */
export async function cancel(printId: string | null): Promise<void> {
  if (printId === null) throw new Problem(409, { code: "no_active_print" });
  await api.POST("/api/v1/prints/{print_id}/cancel", { params: { path: { print_id: printId } } });
}

/** Say that the bed which was seen is clear. */
export async function clearBed(printerId: string, bedVersion: number): Promise<void> {
  const body = { bed_version: bedVersion };
  await api.POST("/api/v1/printers/{printer_id}/clear-bed", { ...to(printerId), body });
}
