import type { Arrival, HttpServer, Identifier } from "@belfry/http";
import { type Api, BelfryError, type Caller, internal, type Logger, type Scope } from "belfry";
import { sessionKey } from "./cookie.ts";
import { hashOfKey } from "./keys.ts";
import { ADMINISTRATOR, type AuthOptions } from "./options.ts";
import { type OwnToken, tokenHash } from "./own-tokens.ts";
import { markOf } from "./password.ts";
import type { Known } from "./people.ts";
import { ProxyWord } from "./proxy.ts";
import { both, EVERYTHING, NOTHING, type Person, type Rights, rightsOf } from "./rules.ts";
import type { Session } from "./sessions.ts";

const ORDER: readonly Scope[] = ["read", "control", "admin"];

/** A token that is used is noted at most so often. */
const TOKEN_NOTES = 600_000;
/** That a proxy has named somebody is noted at most so often. */
const PERSON_NOTES = 3_600_000;
/** A session that is used is noted at most so often within its idle time. */
const NOTES = 20;

/** Says who sent a request: who has the session that its cookie shows, with what the rules give him now. */
export class Identity implements Identifier {
  readonly name = "@belfry/auth";
  readonly #options: AuthOptions;
  readonly #api: Api;
  readonly #log: Logger;
  readonly #now: () => number;
  readonly #proxy: ProxyWord | undefined;
  readonly #noted = new Map<string, number>();

  constructor(options: AuthOptions, parts: { http: HttpServer; api: Api; log: Logger; now: () => number }) {
    this.#options = options;
    this.#api = parts.api;
    this.#log = parts.log;
    this.#now = parts.now;
    this.#proxy = options.proxy && new ProxyWord(options.proxy, parts.http.withStatus.bind(parts.http));
  }

  async caller(arrival: Arrival): Promise<Caller | undefined> {
    const session = await this.session(arrival);
    // The administrator's link counts for more than what the proxy says of everybody.
    const named = session?.administrator ? undefined : this.#proxy?.person(arrival);
    if (named !== undefined) return this.#fromProxy(named);
    if (session !== undefined) return this.callerOf(session);
    return this.#options.rules.some((rule) => rule.anybody) ? this.#anonymous() : undefined;
  }

  credentials(arrival: Arrival): string | undefined {
    const parts = [sessionKey(arrival) ?? null, this.#proxy?.credentials(arrival) ?? null];
    return parts.every((part) => part === null) ? undefined : JSON.stringify(parts);
  }

  isNamedByProxy(arrival: Arrival): boolean {
    return this.#proxy?.person(arrival) !== undefined;
  }

  #fromProxy({ name, groups }: Person): Caller {
    const facts = { user: name, groups: [...groups] };
    this.#noteOnce(`person ${JSON.stringify(facts)}`, PERSON_NOTES, "people.note", { ...facts, via: "proxy" });
    const { scopes, sees, controls } = this.rightsOfPerson({ name, groups });
    return this.#api.callerOf({ name, kind: "session", scopes, sees, controls });
  }

  async token(text: string): Promise<Caller | undefined> {
    const hash = tokenHash(text);
    if (hash === undefined) return undefined;
    const { token, owner: known } = (await this.#api.call("ownTokens.find", { hash }, internal)) as unknown as {
      token: OwnToken | null;
      owner: Known | null;
    };
    const owner = known === null ? undefined : this.#ownerOf(known);
    if (token === null || owner === undefined) return undefined;
    if (this.#now() - (token.usedAt ?? 0) > TOKEN_NOTES)
      this.#noteOnce(token.hash, TOKEN_NOTES, "ownTokens.touch", { hash: token.hash });
    const { scopes, sees, controls } = this.rightsOfPerson(owner);
    const most = ORDER.indexOf(token.scope);
    const narrowed = scopes.filter((scope) => ORDER.indexOf(scope) <= most);
    return this.#api.callerOf({ name: `${owner.name}/${token.name}`, kind: "token", scopes: narrowed, sees, controls });
  }

  /** The owner of a token, as of now; `undefined` if he is no user any more, or was not seen for long. */
  #ownerOf({ user, groups, via, seenAt }: Known): Person | undefined {
    const isAway = (via === "oidc" || via === "proxy") && this.#now() - seenAt > this.#options.absence;
    return isAway ? undefined : this.personOf({ user, groups, via, administrator: false });
  }

  /** The session that a request shows, if it is good and its user is still one. */
  async session(arrival: Arrival): Promise<Session | undefined> {
    const key = sessionKey(arrival);
    if (key === undefined) return undefined;
    // By the API, so that a database that is away is told as one.
    const { session } = (await this.#api.call("sessions.find", { id: hashOfKey(key) }, internal)) as unknown as {
      session: Session | null;
    };
    if (session === null || this.personOf(session) === undefined || !this.#isPasswordSame(session)) return undefined;
    this.#note(session);
    return session;
  }

  /** Whose session it is, as of now; `undefined` if he is no user any more. */
  personOf({
    via,
    user,
    groups,
    administrator,
  }: Pick<Session, "via" | "user" | "groups" | "administrator">): Person | undefined {
    if (administrator) return { name: ADMINISTRATOR, groups: [] };
    if (via === "oidc") return this.#options.oidc && { name: user, groups };
    if (via === "proxy") return this.#options.proxy && { name: user, groups };
    const known = this.#options.users.find(({ name }) => name === user);
    return known && { name: known.name, groups: known.groups };
  }

  /** Whoever knew only the old password is out when a new one is configured. */
  #isPasswordSame({ via, user, password }: Session): boolean {
    if (via !== "password") return true;
    const known = this.#options.users.find(({ name }) => name === user);
    return known !== undefined && markOf(known.password) === password;
  }

  rightsOf(session: Session): Rights {
    const person = this.personOf(session);
    if (person === undefined) return NOTHING;
    return session.administrator ? EVERYTHING : this.rightsOfPerson(person);
  }

  /** What the rules give somebody, and what everybody may. */
  rightsOfPerson(person: Person | undefined): Rights {
    const rights = rightsOf(this.#options.rules, person);
    const { scopes } = this.#api.anonymous();
    return both(rights, { ...NOTHING, scopes: [...scopes] });
  }

  callerOf(session: Session): Caller {
    const { scopes, sees, controls } = this.rightsOf(session);
    const name = this.personOf(session)?.name ?? session.user;
    return this.#api.callerOf({ name, kind: "session", scopes, sees, controls });
  }

  #anonymous(): Caller {
    const { scopes, sees } = this.rightsOfPerson(undefined);
    return this.#api.callerOf({ name: "anonymous", kind: "anonymous", scopes, sees, controls: null });
  }

  /** Keeps a session that is in use from ending; not at each request. */
  #note({ id, usedAt, idle }: Session): void {
    if (this.#now() - usedAt >= idle / NOTES) this.#noteOnce(id, idle / NOTES, "sessions.touch", { id });
  }

  /** Many requests at once are noted once. */
  #noteOnce(id: string, pause: number, method: string, params: object): void {
    const now = this.#now();
    if (now - (this.#noted.get(id) ?? Number.NEGATIVE_INFINITY) < pause) return;
    if (this.#noted.size > 10_000) this.#noted.clear();
    this.#noted.set(id, now);
    this.#api.call(method, params, internal).catch((error) => {
      const away = BelfryError.is(error) && ["BELFRY_ENGINE_AWAY", "BELFRY_DATABASE_AWAY"].includes(error.code);
      if (!away) this.#log.warn({ err: error, method }, "that something is in use could not be noted");
    });
  }
}
