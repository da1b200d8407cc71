// Moments of the past: the time of day where it was today, with the date where it was not.
import { useI18n } from "vue-i18n";

import { useFormats } from "@/ui/formats";

export interface Moments {
  short(at: string): string;
}

export function useMoments(): Moments {
  const { locale } = useI18n();
  const formats = useFormats();
  return {
    short(at) {
      const moment = new Date(at);
      const clock = formats.clock(moment);
      if (moment.toDateString() === new Date().toDateString()) return clock;
      const date = new Intl.DateTimeFormat(locale.value, { day: "2-digit", month: "2-digit" });
      return `${date.format(moment)} ${clock}`;
    },
  };
}
