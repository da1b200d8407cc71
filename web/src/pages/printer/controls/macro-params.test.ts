import { expect, it } from "vitest";

import { paramsOf } from "./macro-params";

it("reads parameters as the printer's own console takes them", () => {
  expect(paramsOf('LENGTH=60  NAME="two words"')).toEqual({ LENGTH: "60", NAME: "two words" });
  expect(paramsOf("  ")).toEqual({});
});

it.each(["60", "LENGTH", 'NAME="open', "A=1 B", "=5"])("takes %s for nothing", (text) => {
  expect(paramsOf(text)).toBeNull();
});
