import { expect, it } from "vitest";

import { orderKey } from "./order-key";

it("makes another key for each order", () => {
  expect(orderKey()).toMatch(/^[0-9a-f]{32}$/);
  expect(orderKey()).not.toBe(orderKey());
});
