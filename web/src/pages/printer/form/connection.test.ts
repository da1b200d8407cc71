import { describe, expect, it } from "vitest";

import { Problem } from "@/api/problem";

import {
  changedConnection, connectionOf, faultsOf, fieldsOf, refusedSettings, valuesOf,
} from "./connection";

const SCHEMA = {
  type: "object",
  required: ["url", "api_key"],
  properties: {
    url: { type: "string", title: "Address", minLength: 8, pattern: "^https?://[^\\s]+$" },
    api_key: { type: "string", format: "password", writeOnly: true, minLength: 8 },
    port: { anyOf: [{ type: "integer", minimum: 1, maximum: 65535 }, { type: "null" }] },
    speed: { enum: ["slow", "fast"], default: "slow" },
    verify: { type: "boolean", default: true },
    nested: { type: "object" },
  },
};
const FIELDS = fieldsOf(SCHEMA, ["api_key"]);
const GOOD = { ...valuesOf(FIELDS), url: "http://octopi.local", api_key: "12345678" };

describe("the fields of a manifest's schema", () => {
  it("are of the kinds that a form has, in the manifest's order", () => {
    expect(FIELDS.map((field) => [field.name, field.kind])).toEqual([
      ["url", "text"], ["api_key", "secret"], ["port", "whole"],
      ["speed", "choice"], ["verify", "switch"],
    ]);
  });

  it("know what is defined elsewhere in the schema, and keep their own words", () => {
    const heat = { $ref: "#/$defs/Heat", default: "keep", title: "Pause: heaters" };
    const defined = { Heat: { enum: ["keep", "off"], type: "string", description: "A class." } };
    const [field, ...others] = fieldsOf(
      { $defs: defined, properties: { heat, lost: { $ref: "#/$defs/None" } } }, [],
    );
    expect(field).toMatchObject({
      kind: "choice", choices: ["keep", "off"], initial: "keep", title: "Pause: heaters",
      description: "",
    });
    expect(others).toEqual([]);
  });

  it("begin with their defaults, and never show a stored secret", () => {
    const shown = valuesOf(FIELDS, { url: "http://left.local", api_key: { set: true } });
    expect(shown).toMatchObject({ url: "http://left.local", api_key: "", verify: true });
    expect(valuesOf(FIELDS, { api_key: "in plain" })["api_key"]).toBe("");
  });
});

describe("what was typed", () => {
  it("is refused field by field", () => {
    const values = { ...GOOD, url: "octopi.local", api_key: "short", port: 70_000 };
    expect(faultsOf(FIELDS, values)).toEqual({
      url: { key: "pattern", given: {} },
      api_key: { key: "too_short", given: { least: 8 } },
      port: { key: "too_high", given: { most: 65_535 } },
    });
    expect(faultsOf(FIELDS, GOOD)).toEqual({});
  });

  it("may leave a stored secret empty, and no other needed field", () => {
    const values = { ...GOOD, url: "", api_key: "" };
    expect(Object.keys(faultsOf(FIELDS, values, ["api_key"]))).toEqual(["url"]);
  });

  it("leaves a pattern of another kind of expression to the server", () => {
    const fields = fieldsOf({ properties: { a: { type: "string", pattern: "(?i)x" } } }, []);
    expect(faultsOf(fields, { a: "y" })).toEqual({});
  });

  it("is refused by the server at its field", () => {
    const errors = [
      { field: "body.connection.url", detail: "no host" },
      { field: "body.name", detail: "too long" },
    ];
    const refused = new Problem(422, { code: "invalid_connection", errors });
    expect(refusedSettings(refused)).toEqual({ url: "no host" });
    expect(refusedSettings(null)).toEqual({});
  });

  it("is sent without what is empty; a change takes back what was emptied but no secret", () => {
    const values = { ...GOOD, api_key: "", port: undefined };
    expect(connectionOf(FIELDS, values)).toEqual({
      url: "http://octopi.local", speed: "slow", verify: true,
    });
    expect(changedConnection(FIELDS, values)).toEqual({
      url: "http://octopi.local", speed: "slow", verify: true, port: null,
    });
  });
});
