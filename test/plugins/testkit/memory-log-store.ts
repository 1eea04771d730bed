import {
  BelfryError,
  type LogAppender,
  type LogChannel,
  type LogLine,
  type LogReader,
  type LogStore,
  type LogTotals,
  MAX_LINE_BYTES,
} from "belfry";

interface Segment {
  finished: boolean;
  lines: LogLine[];
  bytes: number;
  truncated: boolean;
  open: Map<LogChannel, LogLine>;
  raw: Uint8Array[];
}

/** The plainest store that keeps the promises; each `fault` breaks one of them. */
export class MemoryLogStore implements LogStore {
  readonly #logs = new Map<string, Segment[]>();
  readonly #fault: string;

  constructor(fault = "") {
    this.#fault = fault;
  }

  create(key: string, { capBytes }: { fence: number; capBytes: number }): LogAppender {
    if (this.#fault !== "any key") checkKey(key);
    const segment: Segment = { finished: false, lines: [], bytes: 0, truncated: false, open: new Map(), raw: [] };
    const segments = this.#fault === "no segments" ? [] : (this.#logs.get(key) ?? []);
    this.#logs.set(key, [...segments, segment]);
    const finish = async () => {
      segment.open.clear();
      segment.finished = true;
      return totalsOf([segment]);
    };
    return {
      get totals() {
        return totalsOf([segment]);
      },
      append: (channel, data, time) => {
        if (segment.truncated || segment.finished) return undefined;
        if (segment.bytes + data.length > capBytes && this.#fault !== "no cap") {
          segment.truncated = true;
          segment.open.clear();
          if (this.#fault !== "silent cap")
            add(segment, "header", Buffer.from("the log has reached its cap\n"), time, "");
          return undefined;
        }
        const copy = this.#fault === "keeps buffers" ? data : Uint8Array.from(data);
        segment.raw.push(copy);
        segment.bytes += data.length;
        add(segment, channel, copy, time, this.#fault);
        return undefined;
      },
      flush: async () => {
        if (this.#fault !== "grows lines") segment.open.clear();
      },
      finish,
    };
  }

  async open(key: string): Promise<LogReader> {
    if (this.#fault !== "any key") checkKey(key);
    const segments = this.#logs.get(key);
    if (segments === undefined) {
      if (this.#fault === "plain error") throw new Error("not found");
      throw new BelfryError("BELFRY_LOG_NOT_FOUND", { what: "No log.", why: "None.", fix: "None." });
    }
    const lines = async (first: number, count: number) => {
      const ready = segments.filter(({ finished }) => finished || this.#fault !== "late lines");
      const all = ready.flatMap((segment) => segment.lines);
      const isOpen = (line: LogLine) => segments.some(({ open }) => open.get(line.channel) === line);
      const shown = this.#fault === "shows unfinished" ? all : all.filter((line) => !isOpen(line));
      const start = this.#fault === "off by one" ? first + 1 : first;
      return shown.slice(start, start + count).map((line, i) => ({ ...line, number: start + i }));
    };
    const info = async () => ({ ...totalsOf(segments), finished: segments.every(({ finished }) => finished) });
    const fault = this.#fault;
    return {
      info,
      lines,
      async *follow(first, signal) {
        let next = first;
        while (!signal?.aborted) {
          const { finished } = await info();
          const whole = await lines(next, Number.MAX_SAFE_INTEGER);
          next += whole.length;
          if (whole.length > 0) yield whole;
          if (finished || fault === "follows once") return;
          await new Promise((resolve) => setTimeout(resolve, 2));
        }
        if (fault === "throws at abort") throw signal?.reason;
      },
      async *raw() {
        for (const segment of segments) yield* segment.raw;
      },
      [Symbol.asyncDispose]: async () => {},
    };
  }

  async remove(key: string): Promise<void> {
    if (this.#fault === "throws twice" && !this.#logs.has(key) && !key.endsWith("/")) throw new Error("there is none");
    const prefix = this.#fault === "loose prefix" ? key.replace(/\/$/, "") : key;
    for (const name of this.#logs.keys()) {
      if (name === key || (key.endsWith("/") && name.startsWith(prefix))) this.#logs.delete(name);
    }
  }

  async seal(key: string): Promise<LogTotals> {
    const segments = this.#logs.get(key) ?? [];
    if (this.#fault === "does not seal") return totalsOf(segments);
    for (const segment of segments) segment.finished = true;
    return totalsOf(segments);
  }
}

function add(segment: Segment, channel: LogChannel, data: Uint8Array, time: number, fault: string): void {
  let rest = data;
  while (rest.length > 0) {
    const end = rest.indexOf(10);
    const piece = end === -1 ? rest : rest.subarray(0, end);
    rest = end === -1 ? rest.subarray(rest.length) : rest.subarray(end + 1);
    for (let start = 0; start === 0 || start < piece.length; ) {
      const known = fault === "pieces are lines" ? undefined : segment.open.get(channel);
      const line: LogLine = known ?? {
        number: 0,
        channel: fault === "one channel" ? "stdout" : channel,
        time,
        data: new Uint8Array(),
      };
      if (fault === "last time") line.time = time;
      if (known === undefined) {
        segment.lines.push(line);
        segment.open.set(channel, line);
      }
      const room = fault === "long lines" ? piece.length : MAX_LINE_BYTES - line.data.length;
      const part = piece.subarray(start, start + room);
      line.data = line.data.length === 0 && fault === "keeps buffers" ? part : Buffer.concat([line.data, part]);
      start += part.length;
      if (start === piece.length) break;
      segment.open.delete(channel);
      if (fault !== "cut unsaid") line.continues = true;
    }
    if (end !== -1) segment.open.delete(channel);
  }
}

function totalsOf(segments: readonly Segment[]): LogTotals {
  return {
    lines: segments.reduce((sum, { lines }) => sum + lines.length, 0),
    bytes: segments.reduce((sum, { bytes }) => sum + bytes, 0),
    truncated: segments.some(({ truncated }) => truncated),
  };
}

function checkKey(key: string): void {
  if (!/^[A-Za-z0-9._/-]{1,200}$/.test(key) || key.startsWith("/") || key.split("/").includes(".."))
    throw new Error("no key");
}
