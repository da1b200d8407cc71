// Orders to the machine itself: sent one after the other, done when the printer has answered.
import { api, data } from "@/api/client";
import { orderKey } from "@/api/order-key";
import { carriedOut, lookAtStop } from "@/api/printer-orders";
import { asProblem, Problem } from "@/api/problem";
import type { components } from "@/api/schema";

type Schemas = components["schemas"];
export interface Bodies {
  home: Schemas["HomeBody"];
  jog: Schemas["JogBody"];
  extrude: Schemas["ExtrudeBody"];
  heat: Schemas["TemperatureBody"];
  fan: Schemas["FanBody"];
  pace: Schemas["PaceBody"];
  macro: Schemas["MacroBody"];
  exclude_object: Schemas["ExcludeObjectBody"];
  shift_z: Schemas["ShiftZBody"];
  gcode: Schemas["GcodeBody"];
  power: Schemas["PowerBody"];
}
export type Kind = keyof Bodies;
/** One order, as it is told the server. */
export type Order = { [K in Kind]: { kind: K; body: Bodies[K] } }[Kind];

function post(printerId: string, { kind, body }: Order, key: string) {
  const params = { path: { printer_id: printerId }, header: { "idempotency-key": key } };
  switch (kind) {
    case "home": return api.POST("/api/v1/printers/{printer_id}/home", { params, body });
    case "jog": return api.POST("/api/v1/printers/{printer_id}/jog", { params, body });
    case "extrude": return api.POST("/api/v1/printers/{printer_id}/extrude", { params, body });
    case "heat": return api.POST("/api/v1/printers/{printer_id}/temperature", { params, body });
    case "fan": return api.POST("/api/v1/printers/{printer_id}/fan", { params, body });
    case "pace": return api.POST("/api/v1/printers/{printer_id}/speed", { params, body });
    case "macro": return api.POST("/api/v1/printers/{printer_id}/macro", { params, body });
    case "exclude_object":
      return api.POST("/api/v1/printers/{printer_id}/exclude-object", { params, body });
    case "shift_z": return api.POST("/api/v1/printers/{printer_id}/z-offset", { params, body });
    case "gcode": return api.POST("/api/v1/printers/{printer_id}/gcode", { params, body });
    case "power": return api.POST("/api/v1/printers/{printer_id}/power", { params, body });
  }
}

export interface Sender {
  /** Carry out one order after those before it; Problem where it was not. */
  send(printerId: string, order: Order): Promise<void>;
  /**
   * Carry out orders that belong together; a stop ends them all. After one that fails the others
   * are sent only where `each` is wanted; the Problem is that of the first which failed.
   */
  sendAll(printerId: string, orders: readonly Order[], each?: boolean): Promise<void>;
  /**
   * Stop the machine before anything else; what waits is not sent any more. Each call is sent. Ends
   * without a word once a later stop is the one to look at.
   */
  stop(printerId: string): Promise<void>;
}

/** After so long without the server's answer a stop may be on its way, or lost: nobody knows. */
const STOP_TAKEN_MS = 10_000;

async function postStop(printerId: string): Promise<string> {
  const signal = AbortSignal.timeout(STOP_TAKEN_MS);
  const params = { path: { printer_id: printerId } };
  try {
    const asked = api.POST("/api/v1/printers/{printer_id}/emergency-stop", { params, signal });
    return (await data(asked)).command_id;
  } catch (thrown) {
    if (signal.aborted) throw new Problem(504, { code: "command_open" });
    throw thrown;
  }
}

/** After so long the same order is meant anew, and not as a second try of the one before. */
const DOUBT_MS = 60_000;

/** `here`: whether somebody still waits; what is not sent by then never is. */
export function makeSender(here: () => boolean, carry = carriedOut): Sender {
  let last: Promise<unknown> = Promise.resolve();
  let round = 0;
  /** What was sent and not answered: sent again before `until`, it is the same order. */
  const doubtful = new Map<Kind, { text: string; key: string; until: number }>();

  async function command(printerId: string, order: Order): Promise<string> {
    const text = JSON.stringify([printerId, order.body]);
    const began = round;
    const held = doubtful.get(order.kind);
    const same = held?.text === text && performance.now() < held.until;
    const key = same ? held.key : orderKey();
    /** What is ordered after a stop is another order, whatever becomes of this one. */
    function keep(unsure: boolean): void {
      if (began !== round) return;
      if (unsure) doubtful.set(order.kind, { text, key, until: performance.now() + DOUBT_MS });
      else doubtful.delete(order.kind);
    }
    try {
      const { command_id } = await data(post(printerId, order, key));
      keep(false);
      return command_id;
    } catch (thrown) {
      keep(!asProblem(thrown).refused);
      throw thrown;
    }
  }

  function follow(printerId: string, order: Order, began: number): Promise<void> {
    const turn = last.then(async () => {
      if (began !== round || !here()) throw new Problem(409, { code: "order_dropped" });
      await carry(await command(printerId, order), here);
    });
    last = turn.catch(() => undefined);
    return turn;
  }

  return {
    send: (printerId, order) => follow(printerId, order, round),
    async sendAll(printerId, orders, each = false) {
      const began = round;
      const failures: unknown[] = [];
      for (const order of orders) {
        await follow(printerId, order, began).catch((thrown: unknown) => failures.push(thrown));
        if (failures.length && !each) break;
      }
      if (failures.length) throw failures[0];
    },
    async stop(printerId) {
      const own = (round += 1);
      last = Promise.resolve();
      doubtful.clear();
      await carry(await postStop(printerId), () => here() && own === round, lookAtStop);
    },
  };
}
