// Makes the .br and .gz beside every file that gets smaller by it, so that the server need not.
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const DIST = new URL("../../src/buildplate/api/web_dist/", import.meta.url).pathname;
const WORTH_IT = new Set([".css", ".html", ".js", ".json", ".svg"]);
const LEAST = 512; // bytes; below, the headers outweigh what is saved

for (const entry of await readdir(DIST, { recursive: true, withFileTypes: true })) {
  const path = join(entry.parentPath ?? entry.path, entry.name);
  if (!entry.isFile() || !WORTH_IT.has(extname(path))) continue;
  const content = await readFile(path);
  if (content.length < LEAST) continue;
  const quality = { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY };
  const made = {
    ".br": brotliCompressSync(content, { params: quality }),
    ".gz": gzipSync(content, { level: 9 }),
  };
  for (const [ending, smaller] of Object.entries(made)) {
    if (smaller.length < content.length) await writeFile(path + ending, smaller);
    else await rm(path + ending, { force: true });
  }
}
