// Fails where a message is missing, unused, or differs in its parameters between the languages; and
// where the first pages use one that is not among the first words. A folder may be given: `src`.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, extname, join, relative, resolve } from "node:path";

const SRC = resolve(process.argv[2] ?? new URL("../src/", import.meta.url).pathname);
const LANGUAGES = ["en", "de"];
const USE = /\bte?\(\s*(["'`])([^"'`]+)\1/g; // $t("a.b"), t(`a.${x}`)
const FAMILY = /`([a-z][\w-]*\.)\$\{/g; // const key = `a.${x}`
/** A route's title, a key's label, a group of keys; <i18n-t>. */
const NAMED =
  /(?:\b(?:title|label): |\buseKeys\()"([a-z][\w-]*\.[\w.]+)"|\bkeypath="([\w.-]+)"/g;
/** What is shown before all words are there, as `i18n/index.ts` and `app/router.ts` have it. */
const FIRST_SHOWN = [
  "app/App.vue",
  "pages/farm/FarmPage.vue",
  "pages/not-found/NotFoundPage.vue",
  "pages/set-up/SetUpPage.vue",
  "pages/sign-in/SignInPage.vue",
];
const FIRST_WORDS = /\.\/\w+\/\{([\w,-]+)\}\.json/;
const IMPORT = /\b(?:from|import)\s*\(?\s*"([^"]+)"/g;
/** What waits for all words by itself: `later`, and pages, for which the router does. */
const WAITS = /(?:\blater\(|\bcomponent:)\s*\(\)\s*=>\s*import\("[^"]+"\)/g;

const parameters = (text) => [...new Set(text.match(/\{\w+\}/g) ?? [])].sort().join(" ");
const wrong = [];

function flat(messages, prefix) {
  return Object.entries(messages).flatMap(([key, value]) =>
    typeof value === "string" ? [[`${prefix}.${key}`, value]] : flat(value, `${prefix}.${key}`),
  );
}

function messagesOf(language) {
  const folder = join(SRC, "i18n", language);
  const files = readdirSync(folder).filter((name) => name.endsWith(".json"));
  return new Map(
    files.flatMap((name) =>
      flat(JSON.parse(readFileSync(join(folder, name), "utf8")), name.slice(0, -5)),
    ),
  );
}

function compare(all) {
  const [first, ...others] = LANGUAGES;
  for (const other of others) {
    for (const [key, text] of all[first]) {
      const theirs = all[other].get(key);
      if (theirs === undefined) wrong.push(`${other} lacks ${key}`);
      else if (parameters(text) !== parameters(theirs)) {
        wrong.push(`${key}: ${first} has [${parameters(text)}], ${other} [${parameters(theirs)}]`);
      }
    }
    for (const key of all[other].keys()) {
      if (!all[first].has(key)) wrong.push(`${first} lacks ${key}, which ${other} has`);
    }
  }
  for (const language of LANGUAGES) {
    for (const [key, text] of all[language]) {
      if (!text.trim()) wrong.push(`${language}: ${key} is empty`);
    }
  }
}

/** The source files that people's words are used in, by path, with their text. */
function sources() {
  const found = new Map();
  for (const entry of readdirSync(SRC, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath ?? entry.path, entry.name);
    if (!entry.isFile() || ![".vue", ".ts"].includes(extname(path))) continue;
    if (path.endsWith(".test.ts") || path.endsWith("schema.ts")) continue;
    found.set(path, readFileSync(path, "utf8"));
  }
  return found;
}

function checkUse(texts, keys) {
  const [used, families, perhaps] = [new Set(), new Set(), new Set()];
  for (const text of texts.values()) {
    for (const [, , key] of text.matchAll(USE)) {
      if (key.includes("${")) families.add(key.slice(0, key.indexOf("${")));
      else used.add(key);
    }
    for (const [, title, path] of text.matchAll(NAMED)) used.add(title ?? path);
    for (const [, family] of text.matchAll(FAMILY)) perhaps.add(family);
  }
  for (const key of used) {
    if (!keys.has(key) && key.includes(".")) wrong.push(`${key} is used and nowhere written`);
  }
  const written = [...keys.keys()];
  for (const family of families) {
    if (!written.some((key) => key.startsWith(family))) {
      wrong.push(`no message begins with ${family}`);
    }
  }
  const prefixes = [...families, ...perhaps];
  for (const key of written) {
    const known = used.has(key) || prefixes.some((prefix) => key.startsWith(prefix));
    if (!known) wrong.push(`${key} is written and nowhere used`);
  }
}

/** The file that an import means; undefined for a package. */
function imported(from, name, texts) {
  if (!/^[.@]\.?\//.test(name)) return undefined;
  const path = name.startsWith("@/") ? join(SRC, name.slice(2)) : join(dirname(from), name);
  return [path, `${path}.ts`, join(path, "index.ts")].find((one) => texts.has(one));
}

/** All that may be shown before the words of the other pages are there. */
function shownFirst(texts) {
  const found = new Set(FIRST_SHOWN.map((name) => join(SRC, name)));
  for (const path of found) {
    for (const [, name] of (texts.get(path) ?? "").replace(WAITS, "").matchAll(IMPORT)) {
      const next = imported(path, name, texts);
      if (next !== undefined) found.add(next);
    }
  }
  return found;
}

function checkFirst(texts) {
  const named = LANGUAGES.map((language) => {
    const entry = texts.get(join(SRC, "i18n", `${language}.ts`)) ?? "";
    return FIRST_WORDS.exec(entry)?.[1];
  });
  if (named[0] === undefined || named.some((one) => one !== named[0])) {
    wrong.push("the languages' files do not name the same words that come first");
    return;
  }
  const first = new Set(named[0].split(","));
  const gone = FIRST_SHOWN.filter((name) => !texts.has(join(SRC, name)));
  if (gone.length) wrong.push(`not there any more: ${gone.join(", ")}`);
  for (const path of shownFirst(texts)) {
    for (const [, , key] of (texts.get(path) ?? "").matchAll(USE)) {
      const [file, ...more] = key.split(".");
      if (!more.length || first.has(file) || more.join(".") === "title") continue;
      wrong.push(`${relative(SRC, path)} may be shown before ${key} is there`);
    }
  }
}

const all = Object.fromEntries(LANGUAGES.map((language) => [language, messagesOf(language)]));
const texts = sources();
compare(all);
checkUse(texts, all[LANGUAGES[0]]);
checkFirst(texts);

for (const line of wrong) console.error(line);
const found = wrong.length || "nothing";
console.log(`${all[LANGUAGES[0]].size} messages in ${LANGUAGES.join(" and ")}: ${found} wrong`);
process.exit(wrong.length ? 1 : 0);
