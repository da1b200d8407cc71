import { expect, it } from "vitest";

import { listed } from "./comma-list";

it("takes the parts between the commas, and none that is empty", () => {
  expect(listed(" pla, fine draft,,  ")).toEqual(["pla", "fine draft"]);
  expect(listed("")).toEqual([]);
});
