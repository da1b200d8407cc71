// A long form shows what is needed; the rest is folded until something in it is wrong.
import { mount } from "@vue/test-utils";
import { beforeEach, describe, expect, it } from "vitest";

import { i18n, speak } from "@/i18n";

import { fieldsOf, valuesOf } from "./connection";
import ConnectionForm from "./ConnectionForm.vue";

const names = ["port", "baud", "window", "buffer", "lift", "retract", "silence"];
const SCHEMA = {
  required: ["port"],
  properties: Object.fromEntries(
    names.map((name) => [name, { type: name === "port" ? "string" : "integer", title: name }]),
  ),
};

function form(count: number, faults = {}) {
  const fields = fieldsOf(SCHEMA, []).slice(0, count);
  const props = { fields, faults, modelValue: valuesOf(fields) };
  return mount(ConnectionForm, { props, global: { plugins: [i18n] } });
}

beforeEach(() => speak("en", false));

describe("ConnectionForm", () => {
  it("shows a short form as a whole", () => {
    expect(form(6).find("details").exists()).toBe(false);
    expect(form(6).findAll("input")).toHaveLength(6);
  });

  it("folds what may be left as it is of a long one", () => {
    const folded = form(7);
    expect(folded.findAll("input")).toHaveLength(7);
    expect(folded.findAll("details input")).toHaveLength(6);
    expect(folded.find("details").attributes("open")).toBeUndefined();
    expect(folded.find("summary").text()).toBe("More settings");
  });

  it("unfolds where something is wrong, and stays so", async () => {
    const folded = form(7);
    await folded.setProps({ faults: { baud: { key: "too_low", given: { least: 0 } } } });
    expect(folded.find("details").attributes("open")).toBeDefined();
    await folded.setProps({ faults: {} });
    expect(folded.find("details").attributes("open")).toBeDefined();
  });
});
