// A macro's parameters as they are typed: LENGTH=60 NAME="two words".
const ONE = /\s*([A-Za-z_]\w{0,49})\s*=\s*(?:"([^"]*)"|([^\s"]+))\s*/y;

/** The parameters by name; null where the text is something else. */
export function paramsOf(text: string): Record<string, string> | null {
  const found: Record<string, string> = {};
  ONE.lastIndex = 0;
  const whole = text.trim();
  while (ONE.lastIndex < whole.length) {
    const match = ONE.exec(whole);
    if (match === null) return null;
    found[match[1] ?? ""] = match[2] ?? match[3] ?? "";
  }
  return found;
}
