// What heaters are called: a single nozzle is the nozzle, of several each has its number.
import { useI18n } from "vue-i18n";

/** `heaters` are those of the printer, by the names in its temperatures. */
export function useHeaterNames(heaters: () => readonly string[]): (heater: string) => string {
  const { t } = useI18n();
  return (heater) => {
    if (heater === "bed") return t("farm.heater_bed");
    if (heater === "chamber") return t("farm.heater_chamber");
    const nozzles = heaters().filter((name) => name.startsWith("tool")).length;
    if (nozzles === 1) return t("farm.heater_nozzle");
    return t("printer.tool", { number: heater.slice("tool".length) });
  };
}
