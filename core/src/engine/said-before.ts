import type { LogChannel, LogStore } from "../interfaces/log-store.ts";
import type { SecretSet } from "../logs/masker.ts";

const MOST_LINES = 2_000;
const NOTHING = new Uint8Array();

interface Said {
  channel: LogChannel;
  text: string;
}

/**
 * What a step itself has written to a log, since the last command in it, before its master was restarted. It is run
 * again and says it again; the journal of its calls does not tell of it.
 */
export class SaidBefore {
  readonly #logStore: LogStore;
  readonly #key: string;
  readonly #secrets: SecretSet;
  #lines: Promise<Said[]> | undefined;

  constructor(logStore: LogStore, key: string, secrets: SecretSet) {
    this.#logStore = logStore;
    this.#key = key;
    this.#secrets = secrets;
  }

  /**
   * Gives what of `data` is new. The first line that is another one than before ends this, unless the step is known to
   * be still at what it has done before: then nothing is new.
   */
  async rest(channel: LogChannel, data: Uint8Array, replayed: boolean): Promise<Uint8Array> {
    this.#lines ??= this.#read().catch(() => []);
    const said = await this.#lines;
    let at = 0;
    for (let next = said[0]; next && at < data.length; next = said[0]) {
      const feed = data.indexOf(10, at);
      const isWhole = feed >= 0;
      const text = this.#secrets.text(textOf(data.subarray(at, isWhole ? feed : data.length)));
      if (next.channel !== channel || (isWhole ? next.text !== text : !next.text.startsWith(text))) {
        if (!replayed) said.length = 0;
        break;
      }
      if (isWhole) said.shift();
      else next.text = next.text.slice(text.length);
      at = isWhole ? feed + 1 : data.length;
    }
    return replayed ? NOTHING : data.subarray(at);
  }

  async #read(): Promise<Said[]> {
    await using reader = await this.#logStore.open(this.#key);
    const { lines } = await reader.info();
    let said: Said[] = [];
    let isCommand = false;
    for (const { channel, data } of await reader.lines(Math.max(0, lines - MOST_LINES), MOST_LINES)) {
      const text = textOf(data);
      if (channel === "header") {
        said = [];
        isCommand = text.startsWith("$ ");
      } else said.push({ channel, text });
    }
    // What stands behind the beginning of a command is its output.
    return isCommand ? [] : said;
  }
}

function textOf(data: Uint8Array): string {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("utf8");
}
