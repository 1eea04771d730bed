import { dirname, join, resolve } from "node:path";
import { SocketClient } from "../api/socket-client.ts";
import { findConfig } from "../config/load.ts";
import type { Json } from "../interfaces/values.ts";
import type { CliCommand } from "./cli-command.ts";
import type { Output } from "./output.ts";

export interface CommonOptions {
  config?: string | undefined;
  state?: string | undefined;
  json?: boolean | undefined;
}

/** What every command is given: where it is, what it was told, and where its words go. */
export class Session {
  readonly cwd: string;
  readonly out: Output;
  readonly err: Output;
  readonly json: boolean;
  /** Aborts at Ctrl-C, and when nobody reads the output any more. */
  readonly signal: AbortSignal;
  /** Every command of core. */
  readonly commands: () => Promise<readonly CliCommand[]>;
  readonly #options: CommonOptions;
  #client: SocketClient | undefined;

  constructor(
    options: CommonOptions,
    io: {
      cwd: string;
      out: Output;
      err: Output;
      signal: AbortSignal;
      commands?: () => Promise<readonly CliCommand[]>;
    },
  ) {
    this.#options = options;
    this.cwd = io.cwd;
    this.out = io.out;
    this.err = io.err;
    this.signal = io.signal;
    this.commands = io.commands ?? (async () => []);
    this.json = options.json === true;
  }

  /** The path of the configuration. Throws `BELFRY_CONFIG_NOT_FOUND`. */
  get configFile(): string {
    return findConfig(this.#options.config, this.cwd);
  }

  /** The folder of the configuration, or where it would be. */
  get folder(): string {
    return this.#options.config === undefined ? this.cwd : dirname(this.configFile);
  }

  /** The master's own folder. */
  get stateFolder(): string {
    return this.stateFolderOf(this.folder);
  }

  /** The master's own folder, of a master whose configuration is in this folder. */
  stateFolderOf(folder: string): string {
    const { state } = this.#options;
    return state === undefined ? join(folder, ".belfry") : resolve(this.cwd, state);
  }

  /** Calls the running master through its socket. */
  async call<T = Json>(method: string, params: Json = {}): Promise<T> {
    this.#client ??= await SocketClient.connect(join(this.stateFolder, "master.sock"));
    return (await this.#client.call(method, params)) as T;
  }

  /** Prints the result: as one JSON object with `--json`, else as lines for people. */
  print(value: Json, lines: () => readonly string[]): void {
    if (this.json) this.out.line(JSON.stringify(value));
    else for (const line of lines()) this.out.line(line);
  }

  /** The terminal's width, if there is a terminal. */
  get columns(): number | undefined {
    return this.out.isTerminal ? process.stdout.columns || 80 : undefined;
  }

  close(): void {
    this.#client?.close();
    this.#client = undefined;
  }
}
