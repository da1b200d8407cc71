// What people say of a printer besides its connection, as a form holds it and as the API takes it.
import type { Problem } from "@/api/problem";
import type { components } from "@/api/schema";
import { listed } from "@/ui/comma-list";

type Printer = components["schemas"]["PrinterOut"];

export interface Description {
  name: string;
  model: string;
  x: number | undefined;
  y: number | undefined;
  z: number | undefined;
  /** In mm, with spaces or semicolons between them: a comma may be a decimal one. */
  nozzles: string;
  group: string;
  location: string;
  /** With commas between them. */
  tags: string;
}
export type DescriptionFault = "required" | "whole_volume" | "positive" | "nozzles" | "like_number";
export type DescriptionFaults = Partial<Record<keyof Description, DescriptionFault>>;

export function blankDescription(): Description {
  return {
    name: "", model: "", x: undefined, y: undefined, z: undefined,
    nozzles: "0.4", group: "", location: "", tags: "",
  };
}

export function descriptionOf(printer: Printer): Description {
  const volume = printer.model.build_volume;
  return {
    name: printer.name,
    model: printer.model.name ?? "",
    x: volume?.x,
    y: volume?.y,
    z: volume?.z,
    nozzles: (printer.model.nozzles_mm ?? []).join(" "),
    group: printer.group ?? "",
    location: printer.location ?? "",
    tags: printer.tags.join(", "),
  };
}

function nozzlesOf(text: string): number[] {
  const parts = text.split(/[\s;]+/u).filter((part) => part !== "");
  return parts.map((part) => Number(part.replace(",", ".")));
}

const SIDES = ["x", "y", "z"] as const;

export function faultsOfDescription(given: Description): DescriptionFaults {
  const found: DescriptionFaults = {};
  const name = given.name.trim();
  if (name === "") found.name = "required";
  else if (/^(\d+|[0-9a-f-]{36})$/iu.test(name)) found.name = "like_number";
  const some = SIDES.some((side) => given[side] !== undefined);
  for (const side of SIDES) {
    const length = given[side];
    if (length === undefined && some) found[side] = "whole_volume";
    else if (length !== undefined && !(length > 0)) found[side] = "positive";
  }
  if (!nozzlesOf(given.nozzles).every((size) => size > 0)) found.nozzles = "nozzles";
  return found;
}

/** As the API takes it, for a new printer and for a change alike: what is empty is null. */
export function bodyOf(given: Description) {
  const { x, y, z } = given;
  const known = x !== undefined && y !== undefined && z !== undefined;
  return {
    name: given.name.trim(),
    model: {
      name: given.model.trim(),
      build_volume: known ? { x, y, z } : null,
      nozzles_mm: nozzlesOf(given.nozzles),
    },
    group: given.group.trim() || null,
    location: given.location.trim() || null,
    tags: listed(given.tags),
  };
}

/** A new printer; what the form does not ask for is as the API has it by default. */
export function newPrinter(
  given: Description,
  driver: string,
  connection: Record<string, unknown>,
): components["schemas"]["PrinterBody"] {
  const body = bodyOf(given);
  const model = { ...body.model, kinematics: "cartesian" };
  return { ...body, model, driver, connection, enabled: true, start_policy: "automatic" };
}

const FIELDS: Readonly<Record<string, keyof Description>> = {
  "body.name": "name",
  "body.model.name": "model",
  "body.model.build_volume.x": "x",
  "body.model.build_volume.y": "y",
  "body.model.build_volume.z": "z",
  "body.group": "group",
  "body.location": "location",
};

/** The server's refusal by field, in its own words; fields that are lists count as one. */
export function refusedFields(problem: Problem | null): Partial<Record<keyof Description, string>> {
  const found: Partial<Record<keyof Description, string>> = {};
  for (const { field, detail } of problem?.errors ?? []) {
    const list = /^body\.(?:model\.)?(tags|nozzles)/u.exec(field)?.[1];
    const name = FIELDS[field] ?? (list as "tags" | "nozzles" | undefined);
    if (name !== undefined) found[name] = detail;
  }
  return found;
}
