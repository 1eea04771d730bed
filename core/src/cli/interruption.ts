/** Ctrl-C for commands that only ask: the first ends them in order, and a second one is not needed. */
export class Interruption {
  readonly #abort = new AbortController();

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  listen(): void {
    const end = () => {
      if (this.#abort.signal.aborted) process.exit(130);
      this.#abort.abort(new Error("interrupted"));
    };
    for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, end);
  }
}
