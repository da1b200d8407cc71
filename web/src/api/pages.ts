// Lists that come page by page, read to their end.

/** As many as the server gives at once. */
const MOST = 1000;

export interface PageQuery {
  limit: number;
  cursor: string | null;
}
interface Page<T> {
  items: T[];
  next_cursor: string | null;
}

/** All that there is, in its order, however many pages it is. Throws a Problem where one fails. */
export async function everyPage<T>(read: (query: PageQuery) => Promise<Page<T>>): Promise<T[]> {
  const all: T[] = [];
  let cursor: string | null = null;
  do {
    const page: Page<T> = await read({ limit: MOST, cursor });
    all.push(...page.items);
    cursor = page.next_cursor;
  } while (cursor);
  return all;
}
