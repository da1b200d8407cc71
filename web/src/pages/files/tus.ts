// One resumable upload on the wire: the tus protocol 1.0.0 as docs/reference/api.md has it.
import { send } from "@/api/client";
import { Problem } from "@/api/problem";

const PATH = "/api/v1/uploads";
const TUS = { "tus-resumable": "1.0.0" };
/** What takes longer is taken for lost, in ms. */
const PATIENCE_MS = 60_000;
const patience = (): AbortSignal => AbortSignal.timeout(PATIENCE_MS);

/** Where an upload is: bytes that the server keeps, and the file that it has become. */
export interface Place {
  offset: number;
  fileId: string | null;
}

export interface Tus {
  /** Begin an upload; the path of its parts. */
  begin(name: string, size: number): Promise<string>;
  /** Where it is. Problem 404 where there is none, or none any more. */
  look(path: string): Promise<Place>;
  /** Add a part at `offset`. */
  append(path: string, offset: number, part: Blob, signal: AbortSignal): Promise<Place>;
  /** Give it up. */
  end(path: string): Promise<void>;
}

function base64(text: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}

function request(path: string, method: string, more: RequestInit = {}): Request {
  const headers = { ...TUS, ...(more.headers as Record<string, string> | undefined) };
  const where = new URL(path, location.origin);
  return new Request(where, { ...more, method, headers, credentials: "same-origin" });
}

function placeOf(answer: Response): Place {
  const offset = Number(answer.headers.get("upload-offset") ?? "x");
  if (!Number.isInteger(offset)) throw new Problem(answer.status);
  return { offset, fileId: answer.headers.get("upload-file-id") };
}

export const tus: Tus = {
  async begin(name, size) {
    const headers = {
      "upload-length": String(size),
      "upload-metadata": `filename ${base64(name)}`,
    };
    const answer = await send(request(PATH, "POST", { headers, signal: patience() }));
    const path = answer.headers.get("location");
    if (path === null) throw new Problem(answer.status);
    return path;
  },
  async look(path) {
    return placeOf(await send(request(path, "HEAD", { signal: AbortSignal.timeout(10_000) })));
  },
  async append(path, offset, part, signal) {
    const headers = {
      "upload-offset": String(offset),
      "content-type": "application/offset+octet-stream",
    };
    const until = AbortSignal.any([signal, patience()]);
    return placeOf(await send(request(path, "PATCH", { headers, body: part, signal: until })));
  },
  async end(path) {
    await send(request(path, "DELETE", { signal: patience() }));
  },
};
