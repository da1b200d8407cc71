// A driver's connection form: its fields as the manifest's JSON Schema says, what is wrong with
// what was typed, and the values as the API takes them.
import type { Problem } from "@/api/problem";

const SETTING = "body.connection.";

export type Value = string | number | boolean | undefined;
export type Values = Record<string, Value>;

export interface ConnectionField {
  name: string;
  title: string;
  description: string;
  kind: "text" | "secret" | "whole" | "number" | "switch" | "choice";
  required: boolean;
  initial: Value;
  /** Of numbers: the value; of text: the letters. */
  least?: number;
  most?: number;
  pattern?: string;
  choices: readonly string[];
  /** What people call the choices. */
  names?: Readonly<Record<string, string>>;
}

/** What is wrong with a field: a message's key behind `printer.form.` and its parameters. */
export interface Fault {
  key: "required" | "too_short" | "too_long" | "too_low" | "too_high" | "pattern";
  given: Record<string, number>;
}
export type Faults = Record<string, Fault>;

type Schema = Record<string, unknown>;

function isSchema(found: unknown): found is Schema {
  return typeof found === "object" && found !== null && !Array.isArray(found);
}

const DEFINED = "#/$defs/";

/** What a schema refers to, with what it says itself. */
function resolved(schema: Schema, defined: Schema): Schema {
  const to = schema["$ref"];
  if (typeof to !== "string" || !to.startsWith(DEFINED)) return schema;
  const found = defined[to.slice(DEFINED.length)];
  return isSchema(found) ? { ...found, description: "", ...schema } : schema;
}

/** The one type that a field may have; of "text or nothing" it is text. */
function plain(schema: Schema): Schema {
  const ways = schema["anyOf"];
  if (!Array.isArray(ways)) return schema;
  const real = ways.filter((way): way is Schema => isSchema(way) && way["type"] !== "null");
  return real.length === 1 ? { ...real[0], ...schema } : schema;
}

const NUMBERS = new Map([["integer", "whole"], ["number", "number"]] as const);

function kindOf(schema: Schema, secret: boolean): ConnectionField["kind"] | null {
  if (Array.isArray(schema["enum"])) return "choice";
  if (schema["type"] === "boolean") return "switch";
  if (schema["type"] === "string") return secret ? "secret" : "text";
  return NUMBERS.get(schema["type"] as "integer" | "number") ?? null;
}

function number(found: unknown): number | undefined {
  return typeof found === "number" ? found : undefined;
}

function text(found: unknown): string {
  return typeof found === "string" ? found : "";
}

function initial(schema: Schema, kind: ConnectionField["kind"]): Value {
  const given = schema["default"];
  if (["string", "number", "boolean"].includes(typeof given)) return given as Value;
  if (kind === "switch") return false;
  return kind === "whole" || kind === "number" ? undefined : "";
}

/** The fields of a form, in the manifest's order; what is no single value is left to the API. */
export function fieldsOf(schema: Schema, secrets: readonly string[]): ConnectionField[] {
  const properties = isSchema(schema["properties"]) ? schema["properties"] : {};
  const defined = isSchema(schema["$defs"]) ? schema["$defs"] : {};
  const required = Array.isArray(schema["required"]) ? schema["required"] : [];
  return Object.entries(properties).flatMap(([name, found]) => {
    if (!isSchema(found)) return [];
    const one = plain(resolved(found, defined));
    const kind = kindOf(one, secrets.includes(name) || one["writeOnly"] === true);
    if (kind === null) return [];
    const counted = kind === "whole" || kind === "number";
    const least = number(one[counted ? "minimum" : "minLength"]);
    const most = number(one[counted ? "maximum" : "maxLength"]);
    const choices = kind === "choice" ? (one["enum"] as unknown[]).map(String) : [];
    return {
      name,
      kind,
      choices,
      title: text(one["title"]) || name,
      description: text(one["description"]),
      required: required.includes(name),
      initial: initial(one, kind),
      ...(least === undefined ? {} : { least }),
      ...(most === undefined ? {} : { most }),
      ...(typeof one["pattern"] === "string" ? { pattern: one["pattern"] } : {}),
    };
  });
}

/** What the form shows at first; a secret is never shown, whatever is stored. */
export function valuesOf(
  fields: readonly ConnectionField[],
  stored: Readonly<Record<string, unknown>> = {},
): Values {
  return Object.fromEntries(
    fields.map((field) => {
      const known = stored[field.name];
      const single = ["string", "number", "boolean"].includes(typeof known);
      return [field.name, single && field.kind !== "secret" ? (known as Value) : field.initial];
    }),
  );
}

function isEmpty(value: Value): boolean {
  return value === undefined || value === "" || Number.isNaN(value);
}

function fits(pattern: string | undefined, value: string): boolean {
  if (pattern === undefined) return true;
  try {
    return new RegExp(pattern, "u").test(value);
  } catch {
    return true; // a pattern of another kind of expression: the server tells
  }
}

function faultOf(field: ConnectionField, value: Value, kept: boolean): Fault | null {
  if (isEmpty(value)) return field.required && !kept ? { key: "required", given: {} } : null;
  const counted = typeof value === "number";
  const size = counted ? value : String(value).length;
  if (typeof value === "boolean" || field.kind === "choice") return null;
  if (field.least !== undefined && size < field.least) {
    return { key: counted ? "too_low" : "too_short", given: { least: field.least } };
  }
  if (field.most !== undefined && size > field.most) {
    return { key: counted ? "too_high" : "too_long", given: { most: field.most } };
  }
  return fits(field.pattern, String(value)) ? null : { key: "pattern", given: {} };
}

/** What is wrong, by field. `kept`: secrets that are stored, which may be left empty. */
export function faultsOf(
  fields: readonly ConnectionField[],
  values: Values,
  kept: readonly string[] = [],
): Faults {
  const found: Faults = {};
  for (const field of fields) {
    const fault = faultOf(field, values[field.name], kept.includes(field.name));
    if (fault !== null) found[field.name] = fault;
  }
  return found;
}

/** What the server said of fields, in its words. */
export function refusedSettings(problem: Problem | null): Record<string, string> {
  const ours = (problem?.errors ?? []).filter((one) => one.field.startsWith(SETTING));
  return Object.fromEntries(ours.map((one) => [one.field.slice(SETTING.length), one.detail]));
}

/** The values as the API takes them; an empty secret is left out, so that the stored one stays. */
export function connectionOf(
  fields: readonly ConnectionField[],
  values: Values,
): Record<string, unknown> {
  const filled = fields.filter((field) => !isEmpty(values[field.name]));
  return Object.fromEntries(filled.map((field) => [field.name, values[field.name]]));
}

/** The same for a change: what was emptied goes back to its default, which a null asks for. */
export function changedConnection(
  fields: readonly ConnectionField[],
  values: Values,
): Record<string, unknown> {
  const emptied = fields.filter((one) => one.kind !== "secret" && isEmpty(values[one.name]));
  return {
    ...connectionOf(fields, values),
    ...Object.fromEntries(emptied.map((one) => [one.name, null])),
  };
}
