// The server speaks English; what is shown of it in German.
import { mount, type VueWrapper } from "@vue/test-utils";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { Problem } from "@/api/problem";
import { i18n, speak } from "@/i18n";

import ErrorNote from "./ErrorNote.vue";
import PrinterTrouble from "./PrinterTrouble.vue";
import SaidText from "./SaidText.vue";
import { learn } from "./server-words";

const global = { plugins: [i18n] };
let shown: VueWrapper | null = null;
function textOf(component: never, props: object): { text: string; quotes: string[] } {
  shown?.unmount();
  shown = mount(component, { global, props: props as never });
  const quotes = shown.findAll("q").map((one) => one.text());
  return { text: shown.text().replace(/\s+/g, " "), quotes };
}
const note = (code: string, detail: string, hint = "", more = {}) =>
  textOf(ErrorNote as never, { problem: new Problem(409, { code, detail, hint, ...more }) });
const said = (text: string) => textOf(SaidText as never, { said: text });

beforeEach(() => learn("de"));
afterEach(() => {
  shown?.unmount();
  shown = null;
});

describe("in German", () => {
  beforeEach(() => speak("de", false));

  it("a problem is worded by its sentence, with what stands in it", () => {
    const { text, quotes } = note("name_taken", "there is a printer named Alder already");
    expect(text).toContain("Es gibt schon einen Drucker namens Alder.");
    expect(text).toContain("Wähle einen anderen Namen");
    expect(quotes).toEqual([]);
  });

  it("a problem of which only the code is known is worded by it, and the rest is quoted", () => {
    const { text, quotes } = note("printer_has_active_print", "some news", "Do something new.");
    expect(text).toContain("Der Drucker hat gerade einen Druck.");
    expect(text).toContain("Warte auf das Ende des Drucks");
    expect(text).not.toContain("Do something");
    expect(quotes).toEqual(["some news"]);
  });

  it("a problem of which nothing is known is quoted as the server's words", () => {
    const { quotes } = note("quite_new", "the moon is full", "Wait for the sun.");
    expect(quotes).toEqual(["the moon is full", "Wait for the sun."]);
  });

  it("a stored reason is worded, and a printer's own words are quoted", () => {
    expect(said("cancelled by a person")).toEqual({ text: "von Hand abgebrochen", quotes: [] });
    const told = "no sign of the start, the printer is idle";
    expect(said(told).text).toBe("kein Zeichen vom Start; der Drucker: ruht");
    expect(said("Heating failed on tool 0").quotes).toEqual(["Heating failed on tool 0"]);
  });

  it("a printer's trouble is worded by its code, with the printer's words beside it", () => {
    const printer = { problem_code: "offline", problem: "ECONNREFUSED", hint: "Check the power." };
    const { text, quotes } = textOf(PrinterTrouble as never, { printer });
    expect(text).toContain("Der Drucker antwortet nicht.");
    expect(text).toContain("Prüfe Strom, Netzwerk und Adresse");
    expect(quotes).toEqual(["ECONNREFUSED"]);
    const brief = textOf(PrinterTrouble as never, { printer, brief: true });
    expect(brief).toEqual({ text: "Der Drucker antwortet nicht.", quotes: [] });
  });
});

describe("in English", () => {
  beforeEach(() => speak("en", false));

  it("the server's own words are shown as they are", () => {
    const { text, quotes } = note("name_taken", "there is a printer named Alder already", "Go.");
    expect(text).toContain("there is a printer named Alder already");
    expect(text).toContain("Go.");
    expect(quotes).toEqual([]);
    expect(said("Heating failed on tool 0").quotes).toEqual([]);
  });
});
