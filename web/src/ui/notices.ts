// Short messages about what was done or failed, and the words a screen reader is to say.
import { computed, markRaw, reactive, ref, type Ref } from "vue";

import type { Problem } from "@/api/problem";
import type { Tone } from "@/ui/states";

export interface Notice {
  id: number;
  tone: Tone;
  text: string;
  /** What went wrong, where something did: worded where it is shown. */
  problem: Problem | null;
  /** What can be done about it: a word and what it does. */
  action: { label: string; act: () => Promise<void> | void } | null;
  /** Whether the action takes back what the notice tells of. */
  undoes: boolean;
  /** The action is being done. */
  acting: boolean;
}

/** How long a notice stays, in ms; one that failed, or can be undone, stays until it is closed. */
const STAYS_MS = 6000;
const MOST = 4;

const notices = reactive<Notice[]>([]);
const said = ref("");
const reload = ref(false);
let lastId = 0;

type Shown = Pick<Notice, "tone" | "text"> & Partial<Notice>;

function show(given: Shown): void {
  const id = ++lastId;
  const notice = { problem: null, action: null, undoes: false, acting: false, ...given, id };
  notices.push(notice);
  if (notices.length > MOST) makeRoom();
  if (notice.tone === "done" && notice.action === null) setTimeout(() => close(id), STAYS_MS);
}

/** What failed stays until somebody has seen it; of what was done, the newest stays. */
function makeRoom(): void {
  const done = notices.slice(0, -1).filter((one) => one.tone === "done");
  const first = done.find((one) => one.action === null) ?? done[0];
  if (first) close(first.id);
}

/** Do what a notice offers; it goes once that has ended, however it did. */
async function act(id: number): Promise<void> {
  const notice = notices.find((one) => one.id === id);
  if (!notice?.action || notice.acting) return;
  notice.acting = true;
  try {
    await notice.action.act();
  } finally {
    close(id);
  }
}

/** What can be taken back now; only the last thing can, as it builds on what was before. */
const undoable = computed(() => notices.find((one) => one.undoes && !one.acting) ?? null);

function close(id: number): void {
  const at = notices.findIndex((one) => one.id === id);
  if (at >= 0) notices.splice(at, 1);
}

export interface Notices {
  list: readonly Notice[];
  said: Readonly<Ref<string>>;
  reload: Readonly<Ref<boolean>>;
  undoable: Readonly<Ref<Notice | null>>;
  done(text: string, action?: Notice["action"]): void;
  /** Offer to take back what was done; a screen reader hears of it by `say`. */
  offer(text: string, undo: NonNullable<Notice["action"]>): void;
  failed(text: string, problem: Problem): void;
  /** Have a screen reader say it, politely; for changes of state that nobody asked for. */
  say(text: string): void;
  close(id: number): void;
  act(id: number): Promise<void>;
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
    undoable,
    done: (text, action = null) => show({ tone: "done", text, action }),
    offer(text, undo) {
      const former = undoable.value;
      if (former) close(former.id);
      show({ tone: "done", text, action: undo, undoes: true });
    },
    failed: (text, problem) => show({ tone: "error", text, problem: markRaw(problem) }),
    say: (text) => (said.value = text),
    close,
    act,
    forget() {
      notices.length = 0;
      said.value = "";
    },
    offerReload: () => (reload.value = true),
  };
}
