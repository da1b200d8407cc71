import { expect, it } from "vitest";

import { everyPage, type PageQuery } from "./pages";

it("reads on until there is no further page", async () => {
  const asked: PageQuery[] = [];
  const found = await everyPage(async (query) => {
    asked.push(query);
    const at = asked.length;
    return { items: [at, at * 10], next_cursor: at < 3 ? `c${at}` : null };
  });
  expect(found).toEqual([1, 10, 2, 20, 3, 30]);
  expect(asked.map((one) => one.cursor)).toEqual([null, "c1", "c2"]);
  expect(new Set(asked.map((one) => one.limit))).toEqual(new Set([1000]));
});

it("gives nothing where one page fails: a part is not the whole", async () => {
  const pages = [{ items: [1], next_cursor: "c" }];
  const read = async () => {
    const page = pages.shift();
    if (!page) throw new Error("the line is cut");
    return page;
  };
  await expect(everyPage(read)).rejects.toThrow("the line is cut");
});
