// @vitest-environment node
// The checks of the build and of the words fail on what they are there to refuse.
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

import { afterEach, beforeEach, describe, expect, it } from "vitest";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "buildplate-check-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** What a check says of the folder, and whether it passes. */
function run(script: string): { passes: boolean; said: string } {
  const given = [join("scripts", script), folder];
  try {
    const said = execFileSync(process.execPath, given, { encoding: "utf8", stdio: "pipe" });
    return { passes: true, said };
  } catch (thrown) {
    const { stdout, stderr } = thrown as { stdout: string; stderr: string };
    return { passes: false, said: stdout + stderr };
  }
}

function write(path: string, content: string | Buffer): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), content);
}

function change(path: string, from: string, to: string): void {
  const before = readFileSync(join(folder, path), "utf8");
  expect(before).toContain(from);
  writeFileSync(join(folder, path), before.replace(from, to));
}

describe("check-messages", () => {
  const messages = () => run("check-messages.mjs");
  beforeEach(() => cpSync("src", folder, { recursive: true }));

  it("passes what is there", () => {
    expect(messages()).toMatchObject({ passes: true });
  });

  it("refuses a key of the farm page that is not among the first words", () => {
    const words = `{{ $t("farm.title") }}`;
    change("pages/farm/FarmPage.vue", words, `{{ $t("settings.places.add_floor") }}`);
    const { passes, said } = messages();
    expect(passes).toBe(false);
    const told = "pages/farm/FarmPage.vue may be shown before settings.places.add_floor is there";
    expect(said).toContain(told);
  });

  it("refuses one in what the farm page fetches without waiting for all words", () => {
    const path = "pages/farm/FarmPage.vue";
    change(path, "later(() => import(", "defineAsyncComponent(() => import(");
    const { passes, said } = messages();
    expect(passes).toBe(false);
    expect(said).toContain("pages/settings/PlaceButtons.vue may be shown before");
  });

  it("refuses languages whose first words differ", () => {
    change("i18n/de.ts", "{farm,", "{");
    expect(messages()).toMatchObject({ passes: false });
  });

  it("refuses what one language lacks, and parameters that differ", () => {
    change("i18n/de/ui.json", '"keep":', '"kept":');
    change("i18n/de/farm.json", "{done} von", "{these} von");
    const { passes, said } = messages();
    expect(passes).toBe(false);
    expect(said).toContain("de lacks ui.keep");
    expect(said).toContain("farm.bulk_open: en has");
  });
});

describe("check-budget", () => {
  const KB = 1000;
  const FIRST = ["index.html", "src/pages/farm/FarmPage.vue", "src/i18n/de.ts"];
  const LAZY = ["src/pages/printer/TemperatureChart.vue", "src/pages/layers/LayersPage.vue"];

  /** A build whose files have these sizes; random bytes stay what they are when they are zipped. */
  function build(sizes: Readonly<Record<string, number>>): void {
    const manifest: Record<string, object> = {};
    for (const src of [...FIRST, ...LAZY]) {
      const file = `assets/${src.replaceAll("/", "-")}.js`;
      manifest[src] = { src, file, imports: src === FIRST[1] ? ["_shared"] : [] };
      write(file, randomBytes(sizes[src] ?? KB));
    }
    manifest["_shared"] = { file: "assets/shared.js", css: ["assets/shared.css"] };
    write("assets/shared.js", randomBytes(sizes["shared"] ?? KB));
    write("assets/shared.css", randomBytes(sizes["style"] ?? KB));
    write("theme.js", "");
    write(".vite/manifest.json", JSON.stringify(manifest));
  }
  const budget = () => run("check-budget.mjs");

  it("passes a build that is small enough", () => {
    build({});
    expect(budget()).toMatchObject({ passes: true });
  });

  it.each([
    ["the entry", { "index.html": 151 * KB }, "first load, js"],
    ["what the first page shares", { shared: 151 * KB }, "first load, js"],
    ["its style", { style: 16 * KB }, "first load, css"],
    ["the chart", { "src/pages/printer/TemperatureChart.vue": 26 * KB }, "chart"],
    ["the layers", { "src/pages/layers/LayersPage.vue": 151 * KB }, "3D"],
  ])("refuses one where %s is too large", (_, sizes, what) => {
    build(sizes);
    const { passes, said } = budget();
    expect(passes).toBe(false);
    expect(said.split("\n").filter((line) => line.includes("TOO MUCH"))).toHaveLength(1);
    expect(said).toMatch(new RegExp(`${what}: .*TOO MUCH`));
  });

  it("refuses one in which a part that has a budget is not found any more", () => {
    build({});
    change(".vite/manifest.json", '"src":"src/pages/printer/TemperatureChart.vue"', '"src":"x"');
    expect(budget()).toMatchObject({ passes: false });
  });
});
