// Fails where a message is missing, unused, or differs in its parameters between the languages.
import { readdirSync, readFileSync } from "node:fs";
import { extname, join } from "node:path";

const SRC = new URL("../src/", import.meta.url).pathname;
const LANGUAGES = ["en", "de"];
const USE = /\bte?\(\s*(["'`])([^"'`]+)\1/g; // $t("a.b"), t(`a.${x}`)
const FAMILY = /`([a-z][\w-]*\.)\$\{/g; // const key = `a.${x}`
/** A route's title, a key's label, a group of keys; <i18n-t>. */
const NAMED =
  /(?:\b(?:title|label): |\buseKeys\()"([a-z][\w-]*\.[\w.]+)"|\bkeypath="([\w.-]+)"/g;

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

const parameters = (text) => [...new Set(text.match(/\{\w+\}/g) ?? [])].sort().join(" ");
const wrong = [];
const all = Object.fromEntries(LANGUAGES.map((language) => [language, messagesOf(language)]));
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

const used = new Set();
const families = new Set();
const perhaps = new Set();
for (const entry of readdirSync(SRC, { recursive: true, withFileTypes: true })) {
  const path = join(entry.parentPath ?? entry.path, entry.name);
  if (!entry.isFile() || ![".vue", ".ts"].includes(extname(path))) continue;
  if (path.endsWith(".test.ts") || path.endsWith("schema.ts")) continue;
  const text = readFileSync(path, "utf8");
  for (const [, , key] of text.matchAll(USE)) {
    if (key.includes("${")) families.add(key.slice(0, key.indexOf("${")));
    else used.add(key);
  }
  for (const [, title, path] of text.matchAll(NAMED)) used.add(title ?? path);
  for (const [, family] of text.matchAll(FAMILY)) perhaps.add(family);
}
const keys = [...all[first].keys()];
for (const key of used) {
  if (!all[first].has(key) && key.includes(".")) wrong.push(`${key} is used and nowhere written`);
}
for (const family of families) {
  if (!keys.some((key) => key.startsWith(family))) wrong.push(`no message begins with ${family}`);
}
for (const key of keys) {
  const known = used.has(key) || [...families, ...perhaps].some((family) => key.startsWith(family));
  if (!known) wrong.push(`${key} is written and nowhere used`);
}

for (const line of wrong) console.error(line);
const found = wrong.length || "nothing";
console.log(`${keys.length} messages in ${LANGUAGES.join(" and ")}: ${found} wrong`);
process.exit(wrong.length ? 1 : 0);
