// Puts a language's files together: the keys of `en/farm.json` begin with `farm.`.
export interface Messages {
  [key: string]: string | Messages;
}

const nameOf = (path: string): string => path.replace(/^.*\/|\.json$/g, "");

/** The messages of all files, each under its file's name. */
export function gather(files: Record<string, unknown>): Messages {
  const found: Messages = {};
  for (const [path, messages] of Object.entries(files)) found[nameOf(path)] = messages as Messages;
  return found;
}

/** What the first page needs: some files whole, and of the others their title for the links. */
export function gatherFirst(whole: Record<string, unknown>, titles: Record<string, unknown>) {
  const found: Messages = {};
  for (const [path, title] of Object.entries(titles)) {
    if (typeof title === "string") found[nameOf(path)] = { title };
  }
  return { ...found, ...gather(whole) };
}
