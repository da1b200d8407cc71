import { VueQueryPlugin } from "@tanstack/vue-query";
import { mount } from "@vue/test-utils";
import { createPinia } from "pinia";
import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { useSession, type Me } from "@/app/session";

import { makeUploads, useFarmUploads, type Upload } from "./uploads";

const FILE = new File(["G28\n"], "bröcket.gcode");
const PATH = "/api/v1/uploads/u1";

/** The server on the wire: keeps an upload, and takes orders. */
class Server {
  kept = 0;
  ends = 0;
  /** Parts that have come, and wait for an answer. */
  held = 0;
  orders: { key: string | null; body: object }[] = [];
  refuse: (request: Request) => Response | Promise<Response> | null = () => null;

  readonly fetch = async (request: Request): Promise<Response> => {
    const refused = await this.refuse(request);
    if (refused !== null) return refused;
    if (new URL(request.url).pathname === "/api/v1/jobs") return this.order(request);
    switch (request.method) {
      case "POST":
        return new Response(null, { status: 201, headers: { location: PATH } });
      case "PATCH":
        this.kept += (await request.arrayBuffer()).byteLength;
        return this.place();
      case "DELETE":
        this.ends += 1;
        return new Response(null, { status: 204 });
      default:
        return this.place();
    }
  };

  private place(): Response {
    const done = this.kept === FILE.size ? { "upload-file-id": "file" } : undefined;
    return new Response(null, { headers: { "upload-offset": String(this.kept), ...done } });
  }

  private async order(request: Request): Promise<Response> {
    const key = request.headers.get("idempotency-key");
    this.orders.push({ key, body: (await request.json()) as object });
    return Response.json({ number: 12 }, { status: 201 });
  }
}

let server: Server;
beforeEach(() => {
  server = new Server();
  vi.stubGlobal("fetch", server.fetch);
});
afterEach(() => {
  vi.unstubAllGlobals();
});

function start() {
  const uploads = makeUploads();
  uploads.start(FILE, "printer");
  return { uploads, one: () => uploads.list.get(1) as Upload };
}

function problem(status: number, code: string): Response {
  const headers = { "content-type": "application/problem+json" };
  return new Response(JSON.stringify({ status, code, detail: code, hint: "" }), {
    status,
    headers,
  });
}

it("sends the file, then orders it for that printer alone", async () => {
  const { one } = start();
  await vi.waitFor(() => expect(one()).toMatchObject({ step: "ordered", jobNumber: 12 }));
  expect(one().sent).toBe(1);
  expect(server.orders[0]?.body).toMatchObject({
    file_id: "file",
    requirements: { printers: ["printer"] },
  });
});

it("sends two at a time, and the others in turn; one that waits can be stopped", async () => {
  const release: (() => void)[] = [];
  server.refuse = (request) => {
    if (request.method !== "POST" || request.url.endsWith("/jobs")) return null;
    return new Promise((resolve) => {
      release.push(() => resolve(problem(422, "empty_file")));
    });
  };
  const uploads = makeUploads();
  for (let file = 0; file < 20; file += 1) uploads.start(FILE, "printer");
  const steps = () => [...uploads.list.values()].map((one) => one.step);
  await vi.waitFor(() => expect(release).toHaveLength(2));
  expect(steps().filter((one) => one === "waiting")).toHaveLength(18);
  uploads.stop(3);
  await vi.waitFor(() => expect(steps()[2]).toBe("stopped"));
  release[0]?.();
  await vi.waitFor(() => expect(release).toHaveLength(3));
  expect(steps().slice(0, 5)).toEqual(["failed", "sending", "stopped", "sending", "waiting"]);
});

it("says why a file was refused, and orders nothing", async () => {
  server.refuse = ({ method }) => (method === "PATCH" ? problem(422, "empty_file") : null);
  const { one } = start();
  await vi.waitFor(() => expect(one().step).toBe("failed"));
  expect(one().problem).toMatchObject({ code: "empty_file", refused: true });
  expect(server.orders).toEqual([]);
});

it("says that the line is cut, and goes on where it was", async () => {
  let cuts = 0;
  server.refuse = ({ method }) => {
    if (method === "PATCH" && cuts++ === 0) throw new TypeError("network");
    return null;
  };
  const { one } = start();
  await vi.waitFor(() => expect(one().step).toBe("lost"));
  await vi.waitFor(() => expect(one().step).toBe("ordered"), 5000);
  expect(server.kept).toBe(FILE.size);
});

it("orders nothing once it is stopped, and leaves nothing on the server", async () => {
  server.refuse = (request) => {
    if (request.method !== "PATCH") return null;
    server.held += 1;
    return new Promise((_, reject) => {
      request.signal.onabort = () => reject(new DOMException("stopped", "AbortError"));
    });
  };
  const { uploads, one } = start();
  await vi.waitFor(() => expect(server.held).toBe(1));
  expect(one().step).toBe("sending");
  uploads.stop(1);
  await vi.waitFor(() => expect(one().step).toBe("stopped"));
  await vi.waitFor(() => expect(server.ends).toBe(1));
  expect(server.orders).toEqual([]);
});

it("orders once, however often it is tried: every try has the same key", async () => {
  const keys: (string | null)[] = [];
  server.refuse = (request) => {
    if (!request.url.endsWith("/jobs")) return null;
    keys.push(request.headers.get("idempotency-key"));
    if (keys.length === 1) throw new TypeError("network");
    return null;
  };
  const { uploads, one } = start();
  await vi.waitFor(() => expect(one().problem?.code).toBe("unreachable"));
  uploads.again(1);
  await vi.waitFor(() => expect(one().step).toBe("ordered"));
  expect(keys[0]).toBeTruthy();
  expect(keys[1]).toBe(keys[0]);
});

it("goes on while another page is shown, and ends with the session", async () => {
  let cut = false;
  server.refuse = (request) => {
    if (request.method !== "PATCH") return null;
    server.held += 1;
    return new Promise((_, reject) => {
      request.signal.onabort = () => {
        cut = true;
        reject(new DOMException("stopped", "AbortError"));
      };
    });
  };
  const pinia = createPinia();
  const page = { setup: () => ({ own: useFarmUploads() }), render: () => null };
  const frame = { setup: () => ({ session: useSession() }), render: () => null };
  const global = { plugins: [pinia, VueQueryPlugin] };
  const { session } = mount(frame, { global }).vm as unknown as {
    session: ReturnType<typeof useSession>;
  };
  session.me = { name: "ann", role: "operator" } as Me;
  const first = mount(page, { global });
  useFarmUploads(pinia).start(FILE, "printer");
  await vi.waitFor(() => expect(server.held).toBe(1));
  first.unmount();
  const second = mount(page, { global }).vm as unknown as {
    own: ReturnType<typeof useFarmUploads>;
  };
  expect(second.own.list.size).toBe(1);
  expect(cut).toBe(false);
  session.me = null;
  expect(second.own.list.size).toBe(0);
  await vi.waitFor(() => expect(cut).toBe(true));
  expect(server.orders).toEqual([]);
});
