import { expect, it } from "vitest";

import { orderKey, orderKeys } from "./order-key";

it("makes another key for each order", () => {
  expect(orderKey()).toMatch(/^[0-9a-f]{32}$/);
  expect(orderKey()).not.toBe(orderKey());
});

it("keeps the key of an order until the order is changed", () => {
  const keyFor = orderKeys();
  const first = keyFor({ copies: 1 });
  expect(keyFor({ copies: 1 })).toBe(first);
  const changed = keyFor({ copies: 2 });
  expect(changed).not.toBe(first);
  expect(keyFor({ copies: 1 })).not.toBe(first);
  expect(orderKeys()({ copies: 2 })).not.toBe(changed);
});
