import codes from "./codes.de.json";
import sentences from "./sentences.de.json";
import words from "./words.de.json";

export default { codes, sentences, words };
