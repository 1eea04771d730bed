import { faults } from "../errors/catalogue.ts";
import type { StepContext } from "../interfaces/build-step.ts";
import type { Json } from "../interfaces/values.ts";
import type { SecretSet } from "../logs/masker.ts";
import { storable } from "../store/text.ts";
import type { BuildRecorder } from "./build-recorder.ts";

const MOST_LINKS = 50;
const MOST_STATISTICS = 100;
const MOST_DATA = 100;
const MOST_DATA_BYTES = 1024 * 1024;
const LONGEST_NAME = 100;
const LONGEST_DATA_NAME = 200;
const LONGEST_URL = 2_000;
const PROTOCOLS = ["http:", "https:", "mailto:"];

type Extras = Pick<StepContext, "link" | "statistic" | "buildData">;

/** What a step keeps besides its result: links, figures, data of the build. */
export class StepExtras implements Extras {
  readonly #step: number;
  readonly #recorder: BuildRecorder;
  readonly #secrets: SecretSet;
  /** Names of the build's data, of all its steps. */
  readonly #data: Set<string>;
  readonly #links = new Map<string, string>();
  readonly #statistics = new Map<string, number>();

  constructor(step: number, recorder: BuildRecorder, secrets: SecretSet, data: Set<string>) {
    this.#step = step;
    this.#recorder = recorder;
    this.#secrets = secrets;
    this.#data = data;
  }

  get statistics(): Record<string, number> {
    return Object.fromEntries(this.#statistics);
  }

  link(name: string, url: string): void {
    if (typeof name !== "string" || name === "" || name.length > LONGEST_NAME)
      throw faults.linkRefused(`Its name has to be a text of 1 to ${LONGEST_NAME} characters.`);
    if (!PROTOCOLS.includes(protocolOf(url)) || url.length > LONGEST_URL)
      throw faults.linkRefused("Its address is none of http:, https: or mailto:, or it is too long.");
    const shown = { name: this.#text(name), url: this.#text(url) };
    if (!this.#links.has(shown.name) && this.#links.size >= MOST_LINKS)
      throw faults.linkRefused(`A step has at most ${MOST_LINKS} links.`);
    this.#links.set(shown.name, shown.url);
    this.#recorder.step({
      step: this.#step,
      column: "links",
      value: [...this.#links].map(([linkName, linkUrl]) => ({ name: linkName, url: linkUrl })),
      events: [{ type: "step.linked", data: shown }],
    });
  }

  statistic(name: string, value: number): void {
    if (typeof name !== "string" || name === "" || name.length > LONGEST_NAME)
      throw faults.statisticRefused(`Its name has to be a text of 1 to ${LONGEST_NAME} characters.`);
    if (!Number.isFinite(value)) throw faults.statisticRefused(`The value of "${name}" is no finite number.`);
    const shown = this.#text(name);
    if (!this.#statistics.has(shown) && this.#statistics.size >= MOST_STATISTICS)
      throw faults.statisticRefused(`A step has at most ${MOST_STATISTICS} figures.`);
    this.#statistics.set(shown, value);
  }

  buildData(name: string, value: Json | Uint8Array): void {
    const refused = (why: string) => faults.buildDataRefused(String(name), why);
    if (typeof name !== "string" || name === "" || name.length > LONGEST_DATA_NAME)
      throw refused(`Its name has to be a text of 1 to ${LONGEST_DATA_NAME} characters.`);
    const shown = this.#text(name);
    if (!this.#data.has(shown) && this.#data.size >= MOST_DATA)
      throw refused(`A build has at most ${MOST_DATA} of them.`);
    const bytes = value instanceof Uint8Array ? this.#masked(value) : undefined;
    const text = bytes ? bytes.toString("base64") : JSON.stringify(this.#secrets.json(value));
    if (text === undefined) throw refused("Its value is not JSON.");
    const size = bytes ? bytes.length : Buffer.byteLength(text);
    if (size > MOST_DATA_BYTES) throw refused(`It has ${size} bytes; the limit is ${MOST_DATA_BYTES}.`);
    this.#data.add(shown);
    const type = bytes ? "bytes" : "json";
    this.#recorder.data({ name: shown, step: this.#step, type, bytes: size, value: text });
  }

  #masked(data: Uint8Array): Buffer {
    const masker = this.#secrets.masker();
    return Buffer.concat([masker.mask(data), masker.flush()]);
  }

  #text(text: string): string {
    return storable(this.#secrets.text(text));
  }
}

function protocolOf(url: unknown): string {
  try {
    return typeof url === "string" ? new URL(url).protocol : "";
  } catch {
    return "";
  }
}
