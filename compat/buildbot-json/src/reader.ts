import { type Api, BelfryError, type Caller, type CoreMethods } from "belfry";
import { faults } from "./errors.ts";

type Methods = CoreMethods;
type Listed = "builds.list" | "builders.list" | "requests.list";
type Params<N extends Listed> = Methods[N]["params"];
type Item<L extends { result: { items: object[] } }> = Required<L["result"]["items"][number]>;

export type Build = Item<Methods["builds.list"]>;
export type Builder = Item<Methods["builders.list"]>;
export type Request = Item<Methods["requests.list"]>;
export type Step = Build["steps"][number];
export type Log = Build["logs"][number];
export type Change = Build["changes"][number];
export type SourceStamp = Build["sourceStamps"][number];
export type Worker = Methods["workers.list"]["result"]["items"][number];
export type Scheduler = Methods["schedulers.list"]["result"]["items"][number];
export type Source = Methods["sources.list"]["result"]["items"][number];
export type Status = Methods["status.now"]["result"];
/** As much of a build as tells who built it. */
export type BuildMark = Pick<Build, "number" | "worker" | "state">;

const BUILDER_DETAILS = ["lastBuild", "running", "pending"] as const;
const BUILD_DETAILS = ["reason", "sourceStamps", "properties", "steps", "logs", "changes", "usualMillis"] as const;
const PAGE = 500;
const PAGE_OF_BUILDS = 25;
const PAGE_OF_REQUESTS = 100;
/** So many whole builds are read for one answer; a page of numbers and a page of requests count as ten. */
const MOST_BUILDS = 2_000;
const PAGE_COST = 10;

/** The API, asked by one caller for one answer: what several nodes need is asked once. */
export class Reader {
  /** Whether the answer holds something that changes without an event. */
  changing = false;
  readonly now = Date.now();
  readonly #api: Api;
  readonly #caller: Caller;
  readonly #signal: AbortSignal;
  #read = 0;
  readonly #asked = new Map<string, Promise<unknown>>();

  constructor(api: Api, caller: Caller, signal: AbortSignal) {
    this.#api = api;
    this.#caller = caller;
    this.#signal = signal;
  }

  /** Those of the running configuration, in its order. */
  builders(): Promise<Builder[]> {
    return this.#once("builders", async () => {
      const params = { configured: true, include: [...BUILDER_DETAILS], limit: PAGE };
      const items = await this.#pages("builders.list", params, Number.POSITIVE_INFINITY);
      return items.sort((a, b) => (a.position ?? 0) - (b.position ?? 0));
    });
  }

  /** Any that there is or was. */
  async builder(name: string): Promise<Builder | undefined> {
    if (this.#asked.has("builders")) {
      const known = await this.#once("builders by name", async () => {
        return new Map((await this.builders()).map((builder) => [builder.name, builder]));
      });
      if (known.has(name)) return known.get(name);
    }
    return this.#once(`builder ${name}`, async () => {
      const found = await this.#find("builders.get", { builder: name, include: [...BUILDER_DETAILS] });
      return found as Builder | undefined;
    });
  }

  workers(): Promise<Worker[]> {
    return this.#once("workers", async () => (await this.#call("workers.list", {})).items);
  }

  /** The names of the workers that are connected. */
  online(): Promise<ReadonlySet<string>> {
    return this.#once("online", async () => {
      const connected = (await this.workers()).filter((worker) => worker.connected);
      return new Set(connected.map(({ name }) => name));
    });
  }

  /** The names of the schedulers of each builder. */
  schedulersOf(): Promise<ReadonlyMap<string, string[]>> {
    return this.#once("schedulers of", async () => {
      const pairs = (await this.schedulers()).flatMap(({ name, builders }) =>
        builders.map((builder) => ({ name, builder })),
      );
      const groups = Map.groupBy(pairs, ({ builder }) => builder);
      return new Map([...groups].map(([builder, group]) => [builder, group.map(({ name }) => name)]));
    });
  }

  schedulers(): Promise<Scheduler[]> {
    return this.#once("schedulers", async () => (await this.#call("schedulers.list", {})).items);
  }

  sources(): Promise<Source[]> {
    return this.#once("sources", async () => (await this.#call("sources.list", {})).items);
  }

  status(): Promise<Status> {
    return this.#once("status", () => this.#call("status.now", {}));
  }

  /** A build by its number; a negative one counts from the newest. */
  async build(builder: string, number: number): Promise<Build | undefined> {
    return this.#build({ builder, number });
  }

  buildOf(id: number): Promise<Build | undefined> {
    return this.#build({ build: id });
  }

  /** The newest builds, whole. */
  async newest(builder: string, most: number): Promise<Build[]> {
    const params = { builder, include: [...BUILD_DETAILS], limit: Math.min(PAGE_OF_BUILDS, most) };
    return this.#pages("builds.list", params, most);
  }

  async numbers(builder: string, most: number): Promise<number[]> {
    const params = { builder, fields: ["number"], limit: Math.min(PAGE, most) };
    return (await this.#pages("builds.list", params, most)).map(({ number }) => number);
  }

  /** The newest builds and who built them. */
  marks(builder: string, most: number): Promise<BuildMark[]> {
    return this.#once(`marks ${most} ${builder}`, async () => {
      const params = { builder, fields: ["number", "worker", "state"], limit: Math.min(PAGE, most) };
      return this.#pages("builds.list", params, most);
    });
  }

  /** Requests that wait, in the order in which they will be built. */
  async pending(builder: string, most: number): Promise<Request[]> {
    return this.#pages(
      "requests.list",
      {
        builder,
        state: "pending",
        order: "queue",
        include: ["sourceStamps", "properties", "builds"],
        limit: Math.min(PAGE_OF_REQUESTS, most),
      },
      most,
    );
  }

  async #build(ref: { builder: string; number: number } | { build: number }): Promise<Build | undefined> {
    this.#spend(1);
    const found = await this.#find("builds.get", { ...ref, include: ["steps", "logs", "changes"] });
    return found as Build | undefined;
  }

  #call<N extends keyof Methods>(name: N, params: Methods[N]["params"]): Promise<Methods[N]["result"]> {
    return this.#api.call(name, params, this.#caller, this.#signal) as Promise<Methods[N]["result"]>;
  }

  async #find<N extends keyof Methods>(
    name: N,
    params: Methods[N]["params"],
  ): Promise<Methods[N]["result"] | undefined> {
    try {
      return await this.#call(name, params);
    } catch (error) {
      if (BelfryError.is(error) && error.code === "BELFRY_NOT_FOUND") return undefined;
      throw error;
    }
  }

  /** Items of as many pages as it takes; the asked fields and details are in them. */
  async #pages<N extends Listed>(
    name: N,
    params: Params<N> & { limit: number },
    most: number,
  ): Promise<Item<Methods[N]>[]> {
    const all: Item<Methods[N]>[] = [];
    const whole = name === "builds.list" && "include" in params;
    for (let cursor: string | undefined; all.length < most; ) {
      if (!whole && name !== "builders.list") this.#spend(PAGE_COST);
      const page = await this.#call(name, { ...params, ...(cursor !== undefined && { cursor }) });
      const { items, next } = page as unknown as { items: Item<Methods[N]>[]; next: string | null };
      if (whole) this.#spend(items.length);
      all.push(...items);
      if (next === null) break;
      cursor = next;
    }
    return all.slice(0, most);
  }

  #spend(builds: number): void {
    this.#read += builds;
    if (this.#read > MOST_BUILDS) throw faults.answerTooLarge(`More than ${MOST_BUILDS} builds would have to be read.`);
  }

  #once<T>(question: string, ask: () => Promise<T>): Promise<T> {
    const asked = this.#asked.get(question) ?? ask();
    this.#asked.set(question, asked);
    return asked as Promise<T>;
  }
}
