// Moves printers on the server: a new place is one only when the server has said so.
import { useQuery, useQueryClient } from "@tanstack/vue-query";
import { computed, shallowReactive, type ComputedRef, type ShallowRef } from "vue";
import { useI18n } from "vue-i18n";

import { api, data } from "@/api/client";
import { everyPage } from "@/api/pages";
import { asProblem, type Problem } from "@/api/problem";
import { useUndo } from "@/ui/undo";

import type { Descriptions } from "./descriptions";
import type { Floor, Place } from "./floor";

/** A move that the server has not taken: under way, or refused. */
export interface Move {
  place: Place | null;
  problem: Problem | null;
}

export interface Places {
  floors: ComputedRef<Floor[] | undefined>;
  problem: Readonly<ShallowRef<Problem | null>>;
  moves: ReadonlyMap<string, Move>;
  /** Where the server has a printer. */
  placeOf(printerId: string): Place | null;
  move(printerId: string, place: Place | null): Promise<void>;
  forget(printerId: string): void;
  /** Read the floors anew: one was made, changed or removed. */
  renew(): Promise<void>;
}

const KEY = ["floors"];

/** Whether nothing else has been wanted of the same printer since. */
type IsLast = () => boolean;
type InTurn = (printerId: string, act: (isLast: IsLast) => Promise<void>) => Promise<void>;

/** Has one thing after the other done with each printer: what was wanted last is what stays. */
function makeTurns(): InTurn {
  const chains = new Map<string, Promise<void>>();
  return (printerId, act) => {
    const before = chains.get(printerId) ?? Promise.resolve();
    const isLast = (): boolean => chains.get(printerId) === settled;
    const own = before.then(() => act(isLast));
    const settled: Promise<void> = own.catch(() => undefined);
    chains.set(printerId, settled);
    return own;
  };
}

export function usePlaces(descriptions: Descriptions): Places {
  const queries = useQueryClient();
  const found = useQuery<Floor[], Problem>({
    queryKey: KEY,
    queryFn: () => everyPage((query) => data(api.GET("/api/v1/floors", { params: { query } }))),
  });
  const moves = shallowReactive(new Map<string, Move>());
  const inTurn = makeTurns();
  const { t } = useI18n();
  const offerUndo = useUndo();

  async function put(printerId: string, place: Place | null): Promise<void> {
    await api.PATCH("/api/v1/printers/{printer_id}", {
      params: { path: { printer_id: printerId } },
      body: { floor_position: place },
    });
    await descriptions.renew();
  }

  const placeOf = (id: string) => descriptions.byId.value.get(id)?.floor_position ?? null;
  /** Where each printer was before the first of the moves that follow one another closely. */
  const origins = new Map<string, Place | null>();

  /** Put it there; once nothing else is wanted of it, offer to take back what was made of all. */
  async function putAndOffer(id: string, place: Place | null, isLast: IsLast): Promise<void> {
    const before = placeOf(id);
    try {
      await put(id, place);
      if (!origins.has(id)) origins.set(id, before);
    } finally {
      if (isLast()) offer(id);
    }
  }

  function offer(id: string): void {
    const before = origins.get(id);
    if (before === undefined) return; // none was made
    origins.delete(id);
    const name = descriptions.byId.value.get(id)?.name ?? "";
    const back = async (isLast: IsLast): Promise<void> => {
      try {
        await put(id, before);
        origins.delete(id); // what moves it next moves it from there
      } finally {
        if (isLast()) offer(id);
      }
    };
    offerUndo(t("farm.was_placed", { name }), () => inTurn(id, back));
  }

  return {
    floors: computed(() => found.data.value),
    problem: found.error,
    moves,
    placeOf,
    async move(printerId, place) {
      const under: Move = { place, problem: null };
      moves.set(printerId, under);
      try {
        await inTurn(printerId, (isLast) => putAndOffer(printerId, place, isLast));
        if (moves.get(printerId) === under) moves.delete(printerId);
      } catch (thrown) {
        const problem = asProblem(thrown);
        if (moves.get(printerId) === under) moves.set(printerId, { place, problem });
      }
    },
    forget: (printerId) => void moves.delete(printerId),
    renew: () => queries.invalidateQueries({ queryKey: KEY }),
  };
}
