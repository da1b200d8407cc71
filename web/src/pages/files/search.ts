// Finding a file by what people remember of it: its name, its material, the printer it is for.
import type { FileOut } from "./materials";

function plain(text: string): string {
  return text.normalize("NFKD").replace(/\p{Diacritic}/gu, "").toLowerCase();
}

/** Whether every word of the search is somewhere in the file's own words. */
export function matches(file: FileOut, search: string): boolean {
  const words = plain(search).split(/\s+/).filter(Boolean);
  if (!words.length) return true;
  const types = file.analysis?.tools.map((tool) => tool.filament_type) ?? [];
  const said = [file.name, ...types, file.analysis?.printer_model, file.analysis?.slicer];
  const text = plain(said.filter(Boolean).join(" "));
  return words.every((word) => text.includes(word));
}
