// How the panels of a printer's page are arranged: an order and what is folded, per screen size.
export const PANELS = [
  "current", "controls", "temperatures", "console", "materials", "equipment", "prints", "events",
  "settings",
] as const;
export type PanelKey = (typeof PANELS)[number];
export const SIZES = ["phone", "tablet", "desktop"] as const;
export type Size = (typeof SIZES)[number];

export interface Arrangement {
  order: PanelKey[];
  folded: PanelKey[];
}

/** On a desktop the first half stands at the left, the rest at the right. */
const ORDERS: Readonly<Record<Size, readonly PanelKey[]>> = {
  phone: PANELS,
  tablet: PANELS,
  desktop: [
    "current", "controls", "materials", "prints", "events",
    "temperatures", "console", "equipment", "settings",
  ],
};

export function sizeOf(width: number): Size {
  if (width < 768) return "phone";
  return width < 1280 ? "tablet" : "desktop";
}

function isPanel(found: unknown): found is PanelKey {
  return (PANELS as readonly unknown[]).includes(found);
}

function keysOf(found: unknown): PanelKey[] {
  return Array.isArray(found) ? [...new Set(found.filter(isPanel))] : [];
}

/** What was remembered, made whole: panels that it does not know come last, others are left out. */
export function arranged(remembered: unknown, size: Size): Arrangement {
  const found = (remembered ?? {}) as { order?: unknown; folded?: unknown };
  const order = keysOf(found.order);
  const rest = ORDERS[size].filter((key) => !order.includes(key));
  return { order: [...order, ...rest], folded: keysOf(found.folded) };
}

export function moved(from: Arrangement, key: PanelKey, by: -1 | 1): Arrangement {
  const order = [...from.order];
  const at = order.indexOf(key);
  const other = order[at + by];
  if (at < 0 || other === undefined) return from;
  order[at] = other;
  order[at + by] = key;
  return { ...from, order };
}

export function toggled(from: Arrangement, key: PanelKey): Arrangement {
  const folded = from.folded.includes(key)
    ? from.folded.filter((one) => one !== key)
    : [...from.folded, key];
  return { ...from, folded };
}

/** The columns that panels stand in, read one after the other. */
export function columnsOf(order: readonly PanelKey[], size: Size): PanelKey[][] {
  if (size !== "desktop") return [[...order]];
  const middle = Math.ceil(order.length / 2);
  return [order.slice(0, middle), order.slice(middle)];
}
