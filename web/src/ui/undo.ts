// Offers to take back what was just done; whether that was done is said like everything else.
import { useI18n } from "vue-i18n";

import { asProblem } from "@/api/problem";

import { useNotices } from "./notices";

/** How to offer it: what was done, in words, and what takes it back; it may throw a Problem. */
export type OfferUndo = (what: string, back: () => Promise<void> | void) => void;

export function useUndo(): OfferUndo {
  const { t } = useI18n();
  const notices = useNotices();
  async function act(what: string, back: () => Promise<void> | void): Promise<void> {
    try {
      await back();
      notices.done(t("ui.undone", { what }));
    } catch (thrown) {
      const problem = asProblem(thrown);
      const text = problem.refused ? t("ui.not_undone", { what }) : t("ui.undo_unknown", { what });
      notices.failed(text, problem);
    }
  }
  return (what, back) => {
    notices.offer(what, { label: t("ui.undo"), act: () => act(what, back) });
    notices.say(`${what} ${t("ui.can_be_undone")}`);
  };
}
