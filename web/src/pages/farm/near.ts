// Which parts of a long list are on the screen or close to it: only these show live values. The
// others keep their place, their name and their state, and cost nothing while nobody sees them.
import {
  computed,
  inject,
  onBeforeUnmount,
  onMounted,
  provide,
  shallowReactive,
  type ComputedRef,
  type InjectionKey,
  type ShallowRef,
} from "vue";

/** How far beyond the screen a part counts as near: what is scrolled to is there already. */
const MARGIN = "400px 0px";
/** What must not go because it was scrolled away: an action under way, and what one has said. */
const HELD = "[aria-busy=true], [role=alert]";

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

/**
 * In the list: watch its parts, which say their printer's id as `data-printer`. A list that does
 * not scroll with the page names what it scrolls in: else its parts are near only once seen.
 */
export function provideNear(scroller?: Readonly<ShallowRef<Element | null>>): void {
  const near = shallowReactive(new Set<string>());
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
    },
    leave(element, id) {
      observer?.unobserve(element);
      near.delete(id);
    },
  });
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
