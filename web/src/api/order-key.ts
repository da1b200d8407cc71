// A key under which the server takes an order once, however often it is sent.

/** Another key each time; `crypto.randomUUID` is not there without TLS. */
export function orderKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Keys for what one form orders: the same while the order is, another one once it was changed. */
export function orderKeys(): (body: object) => string {
  let sent = { key: orderKey(), body: "" };
  return (body) => {
    const text = JSON.stringify(body);
    if (text !== sent.body) sent = { key: orderKey(), body: text };
    return sent.key;
  };
}
