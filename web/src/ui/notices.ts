// Short messages about what was done or failed, and the words a screen reader is to say.
import { markRaw, reactive, ref, type Ref } from "vue";

import type { Problem } from "@/api/problem";
import type { Tone } from "@/ui/states";

export interface Notice {
  id: number;
  tone: Tone;
  text: string;
  /** What went wrong, where something did: worded where it is shown. */
  problem: Problem | null;
  /** What can be done about it: a word and what it does. */
  action: { label: string; act: () => void } | null;
}

/** How long a notice stays, in ms; one that failed, or can be undone, stays until it is closed. */
const STAYS_MS = 6000;
const MOST = 4;

const notices = reactive<Notice[]>([]);
const said = ref("");
const reload = ref(false);
let lastId = 0;

function show(notice: Omit<Notice, "id">): void {
  const id = ++lastId;
  notices.push({ id, ...notice });
  if (notices.length > MOST) notices.shift();
  if (notice.tone === "done" && notice.action === null) setTimeout(() => close(id), STAYS_MS);
}

function close(id: number): void {
  const at = notices.findIndex((one) => one.id === id);
  if (at >= 0) notices.splice(at, 1);
}

export interface Notices {
  list: readonly Notice[];
  said: Readonly<Ref<string>>;
  reload: Readonly<Ref<boolean>>;
  done(text: string, action?: Notice["action"]): void;
  failed(text: string, problem: Problem): void;
  /** Have a screen reader say it, politely; for changes of state that nobody asked for. */
  say(text: string): void;
  close(id: number): void;
  /** Nothing of it is for whoever comes next. */
  forget(): void;
  offerReload(): void;
}

/** The one region of notices. */
export function useNotices(): Notices {
  return {
    list: notices,
    said,
    reload,
    done: (text, action = null) => show({ tone: "done", text, problem: null, action }),
    failed: (text, problem) =>
      show({ tone: "error", text, problem: markRaw(problem), action: null }),
    say: (text) => (said.value = text),
    close,
    forget() {
      notices.length = 0;
      said.value = "";
    },
    offerReload: () => (reload.value = true),
  };
}
