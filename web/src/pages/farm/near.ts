// Which parts of a long list are on the screen or close to it: only these show live values. The
// others keep their place, their name and their state, and cost nothing while nobody sees them.
// A list comes part by part: what the screen holds at once, the rest in the pictures after it.
import {
  computed,
  inject,
  onBeforeUnmount,
  onMounted,
  provide,
  shallowReactive,
  shallowRef,
  watch,
  type ComputedRef,
  type InjectionKey,
  type ShallowRef,
} from "vue";

/** How far beyond the screen a part counts as near: what is scrolled to is there already. */
const MARGIN = "400px 0px";
/** What must not go because it was scrolled away: an action under way, and what one has said. */
const HELD = "[aria-busy=true], [role=alert]";

/** So many come with one picture, live ones and others: a finger is answered in between. */
const STEP = { live: 4, rest: 25 };

interface Near {
  has(id: string): boolean;
  watch(element: Element): void;
  leave(element: Element): void;
}
const NEAR: InjectionKey<Near> = Symbol("near");

function idOf(element: Element): string {
  return (element as HTMLElement).dataset["printer"] ?? "";
}

function isHeld(element: Element): boolean {
  return element.querySelector(HELD) !== null || element.contains(document.activeElement);
}

/** About how large a part is with the gap beside it, in px; without a width it takes a line. */
interface Size {
  height: number;
  width?: number;
}

/** How wide the list is, or a little wider. */
const room = () => document.querySelector("main")?.clientWidth || innerWidth;

/** How many parts of this size stand beside each other, and how many the screen holds. */
export function fitting({ height, width = Infinity }: Size): { columns: number; all: number } {
  const columns = Math.max(1, Math.floor(room() / width));
  return { columns, all: columns * (Math.ceil(innerHeight / height) + 1) };
}

interface Growing {
  shown: ComputedRef<readonly string[]>;
  /** Let it grow from its beginning. */
  restart(): void;
}

/** The beginning of a list, which grows until it is the whole; never shorter than `least` is. */
function useGrowing(
  ids: () => readonly string[],
  first: () => number,
  least: () => number,
): Growing {
  const count = shallowRef(STEP.live);
  let frame = 0;
  let turn: ReturnType<typeof setTimeout> | undefined;
  function rest(): void {
    cancelAnimationFrame(frame);
    clearTimeout(turn);
  }
  watch(
    [() => ids().length, count],
    ([length, now], [before, had]) => {
      rest();
      if (now > length) count.value = Math.max(STEP.live, length);
      if (now >= length) return;
      // A few more in a list that was whole: the last ones do not go for them.
      const more = length - (before ?? length);
      if (more > 0 && more <= STEP.rest && had === now && now >= length - more) {
        count.value = length;
        return;
      }
      count.value = Math.max(now, least());
      // After the picture is made, and not just before.
      frame = requestAnimationFrame(() => {
        turn = setTimeout(() => (count.value += now < first() ? STEP.live : STEP.rest));
      });
    },
    { immediate: true },
  );
  onBeforeUnmount(rest);
  return {
    shown: computed(() => (count.value < ids().length ? ids().slice(0, count.value) : ids())),
    restart: () => (count.value = Math.max(STEP.live, least())),
  };
}

interface Kept {
  /** About how large a part is now: as many as the screen holds are near from the beginning. */
  size: () => Size;
  /** Where this changes all parts change, and come one after the other again. */
  anew?: () => unknown;
  /** For a list that does not scroll with the page: else its parts are near only once seen. */
  scroller?: Readonly<ShallowRef<Element | null>>;
}
interface LongList {
  /** What there is to show of it so far. */
  shown: ComputedRef<readonly string[]>;
  /** About how high what is still to come will be, in px: the page has its length at once. */
  missing: ComputedRef<number>;
}

/** In the list: watch its parts, which say their printer's id as `data-printer`. */
export function provideNear(
  ids: () => readonly string[],
  { size, anew = () => null, scroller }: Kept,
): LongList {
  const first = () => fitting(size()).all;
  const near = shallowReactive(new Set(ids().slice(0, first())));
  const parts = new Set<Element>();
  /** How many are needed for all that are being used to stay. */
  function least(): number {
    const held = new Set([...parts].filter(isHeld).map(idOf));
    return held.size ? ids().findLastIndex((id) => held.has(id)) + 1 : 0;
  }
  const { shown, restart } = useGrowing(ids, first, least);
  watch(anew, () => {
    for (const id of ids().slice(0, first())) near.add(id);
    restart();
  });
  const missing = computed(() => {
    const lines = (ids().length - shown.value.length) / fitting(size()).columns;
    return Math.ceil(lines) * size().height;
  });
  let observer: IntersectionObserver | null = null;

  function told(entries: readonly IntersectionObserverEntry[]): void {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) near.add(idOf(target));
      else if (!isHeld(target)) near.delete(idOf(target));
    }
  }
  onBeforeUnmount(() => observer?.disconnect());
  provide(NEAR, {
    has: (id) => near.has(id),
    watch(element) {
      // Made with the first part: what they scroll in is there by then.
      const root = scroller?.value ?? null;
      observer ??= new IntersectionObserver(told, { root, rootMargin: MARGIN });
      observer.observe(element);
      parts.add(element);
    },
    // It stays near: where it comes back at once, as in another order, it comes as it was.
    leave(element) {
      observer?.unobserve(element);
      parts.delete(element);
    },
  });
  return { shown, missing };
}

/** In a part: whether it is near. */
export function useNear(
  id: () => string,
  element: Readonly<ShallowRef<Element | null>>,
): ComputedRef<boolean> {
  const near = inject(NEAR);
  if (near === undefined) throw new Error("a part of a list stands outside of it");
  let watched: Element | null = null;
  onMounted(() => {
    watched = element.value;
    if (watched) near.watch(watched);
  });
  onBeforeUnmount(() => watched && near.leave(watched));
  return computed(() => near.has(id()));
}
