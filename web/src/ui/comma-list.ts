// Lists that people write with commas between the parts.

/** The parts, without what is empty. */
export function listed(text: string): string[] {
  return text.split(",").map((one) => one.trim()).filter((one) => one !== "");
}
