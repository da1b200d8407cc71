// Keeps one live socket open: goes on where it was, waits longer and longer, says how it stands.
import type { Beat, Frame } from "./frames";
import type { Place } from "./board";

/** `live`: frames come. `lost`: what is shown is old. `signed_out`: nobody is let in. */
export type Connection = "idle" | "connecting" | "live" | "lost" | "signed_out";
/** What a plain request finds where the socket cannot tell: why it was not opened. */
export type Probe = "fine" | "signed_out" | "unreachable";

export const FIRST_WAIT_MS = 500;
export const LONGEST_WAIT_MS = 15_000;
/** A server that is there says something every five seconds: after silence it is asked. */
export const SILENCE_MS = 10_000;
/** After so many silences in a row the socket is made anew: it may be dead where requests pass. */
export const MOST_SILENCES = 3;
const CLOSED_ON_PURPOSE = 1000;
const GONE = 1006;
const NO_LONGER_LET_IN = 1008;
const OTHER_RIGHTS = 4001;

export interface SocketLike {
  onopen: (() => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number }) => void) | null;
  close(code?: number): void;
}

/** The world around the socket; tests bring their own. */
export interface Surroundings {
  open(url: string): SocketLike;
  probe(): Promise<Probe>;
  after(ms: number, act: () => void): () => void;
  /** Call `act` once, with the next picture that the screen shows. */
  nextTurn(act: () => void): void;
  random(): number;
}

export interface Listener {
  place(): Place | null;
  /** Take frames that came together; false where they do not follow: a snapshot is needed. */
  take(frames: readonly Frame[]): boolean;
  /** Hear that nothing has changed until then, by the server's clock, in s. */
  beat(atS: number): void;
  stands(connection: Connection): void;
  /** The role or the groups of whoever is signed in were changed. */
  rights(): void;
}

/** How long to wait before the n-th attempt in a row (n from 0), in ms: never all at once. */
export function waitBefore(attempt: number, random: number): number {
  const most = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(attempt, 10));
  return Math.round(most * (0.5 + random / 2));
}

export class LiveSocket {
  private socket: SocketLike | null = null;
  private opened = false;
  private attempts = 0;
  private silences = 0;
  private waiting: Frame[] = [];
  private stopWait: () => void = () => undefined;
  private stopWatch: () => void = () => undefined;
  private running = false;
  private anew = false;

  constructor(
    private readonly address: string,
    private readonly around: Surroundings,
    private readonly listener: Listener,
  ) {}

  start(): void {
    if (this.running) return;
    this.running = true;
    this.attempts = 0;
    this.listener.stands("connecting");
    this.connect();
  }

  stop(): void {
    this.running = false;
    this.drop();
    this.listener.stands("idle");
  }

  /** Try at once, as when the network is back; an open socket may be dead since. */
  hurry(): void {
    if (!this.running) return;
    if (this.opened) {
      void this.doubt();
      return;
    }
    this.attempts = 0;
    this.drop();
    this.connect();
  }

  private url(): string {
    const place = this.anew ? null : this.listener.place();
    if (place === null) return this.address;
    const query = new URLSearchParams({ epoch: place.epoch, after: String(place.seq) });
    return `${this.address}?${query}`;
  }

  private connect(): void {
    const socket = this.around.open(this.url());
    this.socket = socket;
    this.silences = 0;
    socket.onopen = () => {
      this.opened = true;
      this.listener.stands("live");
      this.watch();
    };
    socket.onmessage = (event) => this.heard(socket, event.data);
    socket.onclose = (event) => {
      if (this.socket === socket) void this.lost(event.code, this.opened);
    };
    this.stopWatch();
    this.stopWatch = this.around.after(SILENCE_MS, () => void this.lost(GONE, false));
  }

  private heard(socket: SocketLike, text: unknown): void {
    if (this.socket !== socket || typeof text !== "string") return;
    this.silences = 0;
    this.watch();
    const frame = JSON.parse(text) as Frame | Beat;
    if (frame.type === "beat") this.listener.beat(frame.at_s);
    else if (this.waiting.push(frame) === 1) this.around.nextTurn(() => this.flush());
  }

  private flush(): void {
    const frames = this.waiting;
    this.waiting = [];
    if (!frames.length || this.socket === null) return;
    this.anew = !this.listener.take(frames);
    if (this.anew) {
      this.listener.stands("connecting");
      this.drop();
      this.again();
    } else {
      this.attempts = 0;
    }
  }

  private again(): void {
    this.stopWait();
    const wait = waitBefore(this.attempts, this.around.random());
    this.stopWait = this.around.after(wait, () => this.connect());
    this.attempts += 1;
  }

  private async lost(code: number, opened: boolean): Promise<void> {
    this.drop();
    if (code === OTHER_RIGHTS) {
      this.anew = true;
      this.listener.rights();
      this.connect();
      return;
    }
    this.listener.stands("lost");
    const doubtful = !opened || code === NO_LONGER_LET_IN;
    const signedOut = doubtful && (await this.around.probe()) === "signed_out";
    if (!this.running || this.socket !== null) return;
    if (signedOut) {
      this.running = false;
      this.listener.stands("signed_out");
      return;
    }
    this.again();
  }

  /** After silence, ask whether the server is there: a dead line ends no socket by itself. */
  private watch(): void {
    this.stopWatch();
    this.stopWatch = this.around.after(SILENCE_MS, () => {
      this.silences += 1;
      void this.doubt();
    });
  }

  private async doubt(): Promise<void> {
    const socket = this.socket;
    if (socket === null) return;
    const found = await this.around.probe();
    if (this.socket !== socket) return;
    if (found === "fine" && this.silences < MOST_SILENCES) this.watch();
    else if (found === "fine") {
      this.drop();
      this.connect();
    } else await this.lost(found === "signed_out" ? NO_LONGER_LET_IN : GONE, true);
  }

  private drop(): void {
    this.stopWait();
    this.stopWatch();
    this.waiting = [];
    const socket = this.socket;
    this.socket = null;
    this.opened = false;
    if (socket === null) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close(CLOSED_ON_PURPOSE);
  }
}
