// Which uploads this browser has begun: so that a file chosen again after a reload is recognised.

const KEY = "buildplate.uploads";
/** The server keeps an unfinished upload for a day after its last byte. */
const KEPT_MS = 3 * 24 * 3600 * 1000;

export interface Remembered {
  path: string;
  name: string;
  size: number;
  begun: number;
}

type Book = Record<string, Remembered>;

/** What tells one file of a person's from another without reading it. */
export function markOf(file: Pick<File, "name" | "size" | "lastModified">, who: string): string {
  return [who, file.size, file.lastModified, file.name].join("|");
}

function read(): Book {
  try {
    const found = JSON.parse(localStorage.getItem(KEY) ?? "{}") as Book;
    const live = Object.entries(found).filter(([, one]) => Date.now() - one.begun < KEPT_MS);
    return Object.fromEntries(live);
  } catch {
    return {}; // a browser that keeps nothing, or something that is not ours
  }
}

function write(book: Book): void {
  try {
    localStorage.setItem(KEY, JSON.stringify(book));
  } catch {
    // Without a memory a reload begins from the start, which is slower and not wrong.
  }
}

/** The upload begun under this mark, if any. */
export function recall(mark: string): Remembered | null {
  return read()[mark] ?? null;
}

/** Remember the path of an upload, or, with null, that there is none. */
export function remember(
  mark: string,
  file: Pick<File, "name" | "size">,
  path: string | null,
): void {
  const others = Object.entries(read()).filter(([other]) => other !== mark);
  const book = Object.fromEntries(others);
  if (path !== null) {
    book[mark] = { path, name: file.name, size: file.size, begun: Date.now() };
  }
  write(book);
}

/** All that a person has begun here, by mark. */
export function recallAll(who: string): [string, Remembered][] {
  return Object.entries(read()).filter(([mark]) => mark.startsWith(`${who}|`));
}
