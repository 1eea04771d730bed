import type { Exit, FromSpawner, KeptCommand, ToSpawner } from "./protocol.ts";

/** The commands that a spawner keeps for a next process of its master, as the master knows them. */
export class KeptCommands {
  readonly #say: (message: ToSpawner) => void;
  readonly #commands = new Map<number, KeptCommand>();
  readonly #asked = new Map<number, (kept: boolean) => void>();
  readonly #dropped = new Map<number, (exit: Pick<Exit, "left">) => void>();

  constructor(say: (message: ToSpawner) => void) {
    this.#say = say;
  }

  get size(): number {
    return this.#commands.size;
  }

  /** Makes the spawner keep a command. False if it cannot, or is lost. Asked again it hears of an exit meanwhile. */
  keep(id: number, command: KeptCommand): Promise<boolean> {
    return new Promise((resolve) => {
      this.#asked.set(id, (kept) => {
        if (kept) this.#commands.set(id, command);
        else this.#commands.delete(id);
        resolve(kept);
      });
      this.#say({ do: "keep", id, command });
    });
  }

  /** Those of a spawner that was taken over. */
  add(kept: readonly { id: number; command: KeptCommand }[]): void {
    for (const { id, command } of kept) this.#commands.set(id, command);
  }

  has(mark: string, owner: string): boolean {
    return [...this.#commands.values()].some((command) => command.mark === mark && command.owner === owner);
  }

  /** The kept command of a call; it is not kept any more then. */
  take(wanted: Pick<KeptCommand, "mark" | "owner" | "call">): { id: number; command: KeptCommand } | undefined {
    for (const [id, command] of this.#commands) {
      if (command.mark !== wanted.mark || command.owner !== wanted.owner || command.call !== wanted.call) continue;
      this.#commands.delete(id);
      return { id, command };
    }
    return undefined;
  }

  /** Ends the kept commands with this marker, or all. Resolves with the number of processes that could not be ended. */
  async drop(mark?: string, grace = 1_000): Promise<number> {
    const ids = [...this.#commands].filter(([, command]) => mark === undefined || command.mark === mark);
    const exits = ids.map(([id]) => this.dropOne(id, grace));
    return (await Promise.all(exits)).reduce((all, { left }) => all + left, 0);
  }

  dropOne(id: number, grace: number): Promise<Pick<Exit, "left">> {
    this.#commands.delete(id);
    return new Promise((resolve) => {
      this.#dropped.set(id, resolve);
      this.#say({ do: "drop", id, grace });
    });
  }

  hear(message: Extract<FromSpawner, { say: "kept" | "exit" }>): void {
    const { id } = message;
    if (message.say === "kept") {
      this.#asked.get(id)?.(message.kept);
      this.#asked.delete(id);
    } else {
      this.#dropped.get(id)?.(message);
      this.#dropped.delete(id);
    }
  }

  /** The spawner has gone, and keeps nothing. */
  lost(): void {
    for (const answer of this.#asked.values()) answer(false);
    for (const answer of this.#dropped.values()) answer({ left: 0 });
    for (const map of [this.#commands, this.#asked, this.#dropped]) map.clear();
  }
}
