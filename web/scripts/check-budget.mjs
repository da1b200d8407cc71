// Fails where the UI loads more than it may (gzip): the budgets of the design, one line each.
//
// The first load is the entry with one language and the farm page. What is loaded only where it is
// needed has budgets too; it is found by its name, as each of LAZY says: every source file of
// `src/` and every worker whose name matches, with all that comes with it and is not there since
// the first load. So a part keeps its budget by keeping to such names: `TemperatureChart.vue`;
// `LayersPage.vue`, `src/pages/layers/…` and its `worker.ts`; `BoardEditor.vue`. What is
// `planned` may be missing; strike that word out once it is there, so that it cannot go unnoticed.
// Another folder than that of the build may be given.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { gzipSync } from "node:zlib";

const BUILT = new URL("../../src/buildplate/api/web_dist/", import.meta.url).pathname;
const DIST = resolve(process.argv[2] ?? BUILT);
const KB = 1000;
const MOST = { js: 150 * KB, css: 15 * KB };
/** What the first page needs besides the entry: its own chunk and the larger language. */
const FIRST = ["index.html", "src/pages/farm/FarmPage.vue", "src/i18n/de.ts"];
const LAZY = [
  { what: "chart", most: 25 * KB, names: /Chart|uplot/ },
  { what: "3D", most: 150 * KB, names: /(?<![A-Za-z])layer|Layer|3d|three|^worker/ },
  { what: "editor", most: 65 * KB, names: /Editor|Designer|konva/, planned: true },
];

const manifestPath = join(DIST, ".vite/manifest.json");
if (!existsSync(manifestPath)) {
  console.error("The UI is not built: say `make web` first.");
  process.exit(1);
}
const manifest = JSON.parse(readFileSync(manifestPath, "utf8"));

/** A chunk with all that it imports, as keys of the manifest. */
function keysOf(key, seen = new Set()) {
  if (seen.has(key)) return seen;
  const chunk = manifest[key];
  if (!chunk) throw new Error(`${key} is not in the build's manifest`);
  seen.add(key);
  for (const inner of chunk.imports ?? []) keysOf(inner, seen);
  return seen;
}

function filesOf(keys) {
  const files = new Set();
  for (const key of keys) {
    files.add(manifest[key].file);
    for (const sheet of manifest[key].css ?? []) files.add(sheet);
  }
  return files;
}

const zipped = (file) => gzipSync(readFileSync(join(DIST, file)), { level: 9 }).length;
const isStyle = (file) => file.endsWith(".css");
const sum = (files) => [...files].reduce((bytes, file) => bytes + zipped(file), 0);

let failed = false;
function tell(what, bytes, most) {
  const over = bytes > most;
  failed ||= over;
  const figure = `${(bytes / KB).toFixed(1)} kB of ${most / KB} kB`;
  console.log(`${what}: ${figure} gzip${over ? ": TOO MUCH" : ""}`);
}

const first = filesOf(FIRST.reduce((seen, key) => keysOf(key, seen), new Set()));
first.add("theme.js");
tell("first load, js", sum([...first].filter((file) => !isStyle(file))), MOST.js);
tell("first load, css", sum([...first].filter(isStyle)), MOST.css);

const HASH = /-[\w-]{8}\.js$/;
const built = new Set(Object.values(manifest).map((chunk) => chunk.file));
// Workers are files of their own, of which the manifest does not know.
const workers = readdirSync(join(DIST, "assets"))
  .filter((name) => name.endsWith(".js") && !built.has(`assets/${name}`));

for (const { what, most, names, planned } of LAZY) {
  const called = ([, chunk]) => names.test(chunk.src ?? chunk.name ?? "");
  const keys = Object.entries(manifest).filter(called).map(([key]) => key);
  const found = filesOf(keys.reduce((seen, key) => keysOf(key, seen), new Set()));
  for (const name of workers) if (names.test(name.replace(HASH, ""))) found.add(`assets/${name}`);
  const own = [...found].filter((file) => !first.has(file));
  if (own.length) tell(what, sum(own), most);
  else if (!planned) {
    console.error(`${what}: nothing in the build is called so any more; see LAZY in this script`);
    failed = true;
  }
}
process.exit(failed ? 1 : 0);
