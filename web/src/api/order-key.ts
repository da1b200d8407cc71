// A key under which the server takes an order once, however often it is sent.

/** Another key each time; `crypto.randomUUID` is not there without TLS. */
export function orderKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
