import { describe, expect, it } from "vitest";

import { Translator } from "./catalogue";
import german from "./de";

const small = new Translator({
  sentences: {
    "there is no job {job}": "Auftrag {job} gibt es nicht.",
    "print {number} is {state}": "Druck {number}: {state}",
    "print {number} is {state}, only a queued one is confirmed": "Nur wartende ({state}).",
    "it failed{why}": "Es scheiterte{why}",
    "the disk is full": "die Platte ist voll",
    "lacks {tags}": "ohne {tags}",
    "this (one) costs 5 $?": "Das (hier) kostet 5 $?",
  },
  words: { printing: "druckt" },
  codes: { stale: ["Es ist alt.", "Sieh nach."] },
});

describe("Translator", () => {
  it("finds a sentence with what stands in it", () => {
    expect(small.sentence("there is no job 7")).toBe("Auftrag 7 gibt es nicht.");
    expect(small.sentence("this (one) costs 5 $?")).toBe("Das (hier) kostet 5 $?");
  });

  it("words the words that stand in it, and a sentence in a sentence", () => {
    expect(small.sentence("print 3 is printing")).toBe("Druck 3: druckt");
    const full = "it failed: the disk is full";
    expect(small.sentence(full)).toBe("Es scheiterte: die Platte ist voll");
    expect(small.sentence("it failed: boo")).toBe("Es scheiterte: boo");
    expect(small.sentence("it failed")).toBe("Es scheiterte");
  });

  it("takes the sentence of which the most is fixed", () => {
    const said = "print 3 is printing, only a queued one is confirmed";
    expect(small.sentence(said)).toBe("Nur wartende (druckt).");
  });

  it("finds what the server joins, where it knows every part", () => {
    expect(small.sentence("lacks PLA; the disk is full")).toBe("ohne PLA; die Platte ist voll");
    expect(small.sentence("the disk is full; boo")).toBeNull();
  });

  it("knows nothing by chance", () => {
    for (const other of ["", "boo", "there is no jobs 7", "toString", "constructor"]) {
      expect(small.sentence(other)).toBeNull();
    }
    expect(small.detail("constructor")).toBeNull();
    expect([small.detail("stale"), small.hint("stale")]).toEqual(["Es ist alt.", "Sieh nach."]);
  });

  it("words the German of what people meet", () => {
    const translator = new Translator(german);
    expect(translator.sentence("print 4 has ended: not_started")).toBe(
      "Druck 4 ist zu Ende: nie gestartet",
    );
    expect(translator.sentence("tool 0 needs PLA black and holds nothing we know of")).toBe(
      "Werkzeug 0 braucht PLA black und hält nichts, wovon wir wissen",
    );
    expect(translator.sentence("this printer lacks enclosed and has dirty, which the job excludes"))
      .toBe("dieser Drucker: es fehlt enclosed und er hat dirty, was der Auftrag ausschließt");
    expect(translator.detail("offline")).toBe("Der Drucker antwortet nicht.");
  });
});
