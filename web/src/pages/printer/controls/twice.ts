// What cannot be taken back is pressed twice: the first press asks, the second within 5 s does it.
import { onScopeDispose, ref, type Ref } from "vue";

export const PATIENCE_MS = 5000;

export interface Twice {
  /** What was pressed once and waits for the second press; empty: nothing. */
  asked: Readonly<Ref<string>>;
  /** Press; whether it was the second time. */
  press(name: string): boolean;
}

/** `leastMs`: a second press sooner than this is a slip, and counts as none. */
export function useTwice(leastMs = 0, now: () => number = () => performance.now()): Twice {
  const asked = ref("");
  let at = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  function forget(): void {
    clearTimeout(timer);
    asked.value = "";
  }
  onScopeDispose(forget);
  return {
    asked,
    press(name) {
      if (asked.value === name) {
        if (now() - at < leastMs) return false;
        forget();
        return true;
      }
      forget();
      asked.value = name;
      at = now();
      timer = setTimeout(forget, PATIENCE_MS);
      return false;
    },
  };
}
