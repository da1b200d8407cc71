// Component tests share the machine with others: what they wait for may take its time.
import { vi } from "vitest";

const PATIENCE_MS = 10_000;
const waitFor = vi.waitFor.bind(vi);
vi.waitFor = (act, options = PATIENCE_MS) => waitFor(act, options);
