import { BlockList, isIP } from "node:net";
import type { Arrival, HttpServer } from "@belfry/http";
import { faults } from "./errors.ts";
import { type ProxyOptions, userName } from "./options.ts";
import type { Person } from "./rules.ts";

/** Takes the word of a proxy that has signed its readers in, and of nobody else. */
export class ProxyWord {
  readonly #options: ProxyOptions;
  readonly #withStatus: HttpServer["withStatus"];
  readonly #trusted = new BlockList();

  constructor(options: ProxyOptions, withStatus: HttpServer["withStatus"]) {
    this.#options = options;
    this.#withStatus = withStatus;
    for (const entry of options.from) {
      const [address = "", bits] = entry.split("/");
      const family = isIP(address) === 6 ? "ipv6" : "ipv4";
      if (bits === undefined) this.#trusted.addAddress(address, family);
      else this.#trusted.addSubnet(address, Number(bits), family);
    }
  }

  /**
   * Whom the proxy names, `undefined` if it names nobody. Throws `BELFRY_AUTH_PROXY_REFUSED` if somebody else than the
   * proxy says it, and `BELFRY_AUTH_NAME_REFUSED` for what is no name.
   */
  person({ req }: Arrival): Person | undefined {
    const { user, groups, separator } = this.#options;
    const names = this.#headers(req, user);
    const lists = groups === undefined ? [] : this.#headers(req, groups);
    if (names.length === 0 && lists.length === 0) return undefined;
    if (!this.#isProxy(req.socket.remoteAddress)) throw this.#withStatus(faults.proxyRefused(user), 403);
    const [name = ""] = names;
    if (name === "" && names.length < 2) return undefined;
    // Of two headers one would be the reader's own.
    if (names.length > 1 || lists.length > 1 || !userName.safeParse(name).success)
      throw this.#withStatus(faults.nameRefused(), 403);
    const parts = (lists[0] ?? "").split(separator).map((group) => group.trim());
    return { name, groups: [...new Set(parts.filter((group) => group !== ""))].slice(0, 1_000) };
  }

  credentials({ req }: Arrival): string | undefined {
    const { user, groups } = this.#options;
    const said = [user, ...(groups === undefined ? [] : [groups])].map((name) => this.#headers(req, name));
    return said.flat().length === 0 ? undefined : JSON.stringify([said, req.socket.remoteAddress ?? ""]);
  }

  #isProxy(address: string | undefined): boolean {
    const plain = address?.replace(/^::ffff:(?=\d+\.)/i, "") ?? "";
    const version = isIP(plain);
    return version !== 0 && this.#trusted.check(plain, version === 6 ? "ipv6" : "ipv4");
  }

  /** Every header of this name, as it was sent. */
  #headers({ rawHeaders }: Arrival["req"], name: string): string[] {
    const wanted = name.toLowerCase();
    const values = rawHeaders.filter((_, i) => i % 2 === 1 && rawHeaders[i - 1]?.toLowerCase() === wanted);
    // Node takes each byte for a letter; what is beyond ASCII is sent as UTF-8.
    return values.map((value) => Buffer.from(value, "latin1").toString("utf8"));
  }
}
