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
  leave(element: Element, id: string): void;
}
const NEAR: InjectionKey<Near> = Symbol("near");

function idOf(element: Element): string {
  return (element as HTMLElement).dataset["printer"] ?? "";
}

function isHeld(element: Element): boolean {
  return element.querySelector(HELD) !== null || element.contains(document.activeElement);
}

/** How many parts of this size the screen holds; a part without a width takes a whole line. */
export function fitting(height: number, width = innerWidth): number {
  const columns = Math.max(1, Math.floor(innerWidth / width));
  return columns * (Math.ceil(innerHeight / height) + 1);
}

interface Growing {
  shown: ComputedRef<readonly string[]>;
  /** Let it grow from its beginning. */
  restart(): void;
}

/** The beginning of a list, which grows until it is the whole. */
function useGrowing(ids: () => readonly string[], first: number): Growing {
  const count = shallowRef(STEP.live);
  let frame = 0;
  let turn: ReturnType<typeof setTimeout> | undefined;
  function rest(): void {
    cancelAnimationFrame(frame);
    clearTimeout(turn);
  }
  watch(
    [() => ids().length, count],
    ([length, now]) => {
      rest();
      if (now > length) count.value = Math.max(STEP.live, length);
      if (now >= length) return;
      // After the picture is made, and not just before.
      frame = requestAnimationFrame(() => {
        turn = setTimeout(() => (count.value += now < first ? STEP.live : STEP.rest));
      });
    },
    { immediate: true },
  );
  onBeforeUnmount(rest);
  return {
    shown: computed(() => (count.value < ids().length ? ids().slice(0, count.value) : ids())),
    restart: () => (count.value = STEP.live),
  };
}

interface Kept {
  /** How many parts the screen holds: these are near until the browser says otherwise. */
  first: number;
  /** Where this changes all parts change, and come one after the other again. */
  anew?: () => unknown;
  /** For a list that does not scroll with the page: else its parts are near only once seen. */
  scroller?: Readonly<ShallowRef<Element | null>>;
}

/**
 * In the list: watch its parts, which say their printer's id as `data-printer`. What is returned
 * is what there is to show of it so far.
 */
export function provideNear(
  ids: () => readonly string[],
  { first, anew = () => null, scroller }: Kept,
): ComputedRef<readonly string[]> {
  const near = shallowReactive(new Set(ids().slice(0, first)));
  const parts = new Set<Element>();
  const { shown, restart } = useGrowing(ids, first);
  watch(anew, () => [...parts].some(isHeld) || restart());
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
    leave(element, id) {
      observer?.unobserve(element);
      parts.delete(element);
      near.delete(id);
    },
  });
  return shown;
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
  onBeforeUnmount(() => watched && near.leave(watched, id()));
  return computed(() => near.has(id()));
}
