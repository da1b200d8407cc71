// Every key that a page declares, beside those that are live everywhere: no two are the same.
import { expect, it } from "vitest";

import { PAGES } from "@/app/routes";

const SOURCES: Record<string, string> = import.meta.glob(
  ["/src/**/*.{ts,vue}", "!/src/**/*.test.ts", "!/src/app/keys/registry.ts"],
  { query: "?raw", import: "default", eager: true },
);
const EVERYWHERE = "keys.everywhere";
const CALL = /\buseKeys\(/g;
const GROUP = /\buseKeys\("([^"]+)", \[([\s\S]*?)\n {0,2}\]\);/g;

/** The keys of each title, as often as they are declared under it. */
function declared(): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const source of Object.values(SOURCES)) {
    for (const [, title = "", group = ""] of source.matchAll(GROUP)) {
      const keys = [...group.matchAll(/\bkeys: "([^"]+)"/g)].map(([, key = ""]) => key);
      found.set(title, [...(found.get(title) ?? []), ...keys]);
    }
  }
  const ofPages = PAGES.flatMap(({ meta }) => meta?.keys ?? []);
  found.set(EVERYWHERE, [...(found.get(EVERYWHERE) ?? []), ...ofPages]);
  return found;
}

const count = (of: RegExp) =>
  Object.values(SOURCES).reduce((sum, source) => sum + [...source.matchAll(of)].length, 0);

it("reads every declaration there is", () => {
  expect(count(GROUP)).toBe(count(CALL));
  expect(declared().get(EVERYWHERE)).toEqual(expect.arrayContaining(["?", "z", "n", "g f"]));
  expect(declared().size).toBeGreaterThan(4);
});

it.each([...declared().keys()])("has no key twice where %s is shown", (title) => {
  const all = declared();
  const together = title === EVERYWHERE ? [EVERYWHERE] : [EVERYWHERE, title];
  const keys = together.flatMap((one) => all.get(one) ?? []);
  expect(keys.filter((key, at) => keys.indexOf(key) !== at)).toEqual([]);
});
