// The farm page's keys: through the printers, and what their cards and rows have buttons for.
import { useI18n } from "vue-i18n";
import { useRouter } from "vue-router";

import { useKeys } from "@/app/keys/registry";
import { pressIn, rowsOf } from "@/app/keys/rows";
import { useNotices } from "@/ui/notices";

import type { FarmContext } from "./context";

/** Declare them; `search` puts the cursor into the search. */
export function useFarmKeys(farm: FarmContext, search: () => void): void {
  const { t } = useI18n();
  const router = useRouter();
  const notices = useNotices();
  const rows = rowsOf("main [data-printer]");
  const listed = () => ["cards", "table"].includes(farm.view.view.value.view);
  const operates = () => listed() && farm.operates.value;

  /** Act on the printer that has the focus; say how one gets it where none has. */
  function meant(act: (row: HTMLElement) => void): void {
    const row = rows.present();
    if (row) act(row);
    else notices.done(t("farm.choose_first"));
  }
  function press(selector: string): void {
    meant((row) => pressIn(row, selector) || notices.done(t("farm.not_now")));
  }

  useKeys("farm.title", [
    { keys: "/", label: "keys.search", act: search },
    {
      keys: "j",
      label: "keys.next_printer",
      when: listed,
      repeats: true,
      act: () => rows.step(1),
    },
    {
      keys: "k",
      label: "keys.last_printer",
      when: listed,
      repeats: true,
      act: () => rows.step(-1),
    },
    {
      keys: "o",
      label: "keys.open",
      when: () => listed() && router.hasRoute("printer"),
      act: () =>
        meant(({ dataset: { printer: id = "" } }) => {
          void router.push({ name: "printer", params: { id } });
        }),
    },
    { keys: "x", label: "keys.pick", when: operates, act: () => press("input[type=checkbox]") },
    {
      keys: "p",
      label: "keys.pause",
      when: operates,
      act: () => press("[data-act=pause], [data-act=resume]"),
    },
    { keys: "c", label: "keys.cancel", when: operates, act: () => press("[data-act=cancel]") },
  ]);
}
