import { auth } from "@belfry/auth";
import { http } from "@belfry/http";
import { jsonrpc } from "@belfry/jsonrpc";
import { sse } from "@belfry/sse";
import { web } from "@belfry/web";
import { xmlrpc } from "@belfry/xmlrpc";
import type { Config, z } from "belfry";
import { hashPassword } from "../../../plugins/auth/src/password.ts";
import { type Answer, ask } from "../http/world.ts";
import { FORM, type WebWorld, webWorld } from "../web/world.ts";

/** Cheap, so that tests are quick. */
export const CHEAP = { log2: 4, r: 1, p: 1 };

export type Options = z.input<typeof auth.definition.options>;

const ME = /signed in as <a href="\/tokens"><b dir="auto">([^<]*)/;

/** A browser as far as cookies, origin and redirects go. */
export class Reader {
  readonly cookies = new Map<string, string>();
  readonly url: string;

  constructor(url: string) {
    this.url = url;
  }

  get cookie(): string {
    return [...this.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
  }

  async get(path: string, headers: Record<string, string> = {}): Promise<Answer> {
    return this.#keep(
      await ask(`${this.url}${path}`, { headers: { accept: "text/html", ...this.#own(), ...headers } }),
    );
  }

  /** Sends a form from a page of the server. */
  async post(path: string, fields: Record<string, string>, headers: Record<string, string> = {}): Promise<Answer> {
    const answer = await ask(`${this.url}${path}`, {
      method: "POST",
      body: new URLSearchParams(fields).toString(),
      headers: {
        accept: "text/html",
        ...FORM,
        origin: this.url,
        ...this.#own(),
        ...headers,
      },
    });
    return this.#keep(answer);
  }

  signIn(user: string, password: string, more: Record<string, string> = {}): Promise<Answer> {
    return this.post("/auth/sign-in", { user, password, ...more });
  }

  /** Whom the first page says that he is; nobody without a session. */
  async me(headers: Record<string, string> = {}): Promise<string | undefined> {
    return ME.exec((await this.get("/", headers)).body)?.[1];
  }

  /** Calls a method as a script of a page would. */
  async call(method: string, params: object = {}, headers: Record<string, string> = {}) {
    const answer = await ask(`${this.url}/rpc`, {
      method: "POST",
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
      headers: { "content-type": "application/json", origin: this.url, ...this.#own(), ...headers },
    });
    return { ...answer, json: answer.body.startsWith("{") ? JSON.parse(answer.body) : undefined };
  }

  #own(): Record<string, string> {
    return this.cookies.size === 0 ? {} : { cookie: this.cookie };
  }

  #keep(answer: Answer): Answer {
    for (const line of answer.headers["set-cookie"] ?? []) {
      const [pair = "", ...attributes] = line.split(";").map((part) => part.trim());
      const [name = "", value = ""] = pair.split("=");
      if (attributes.includes("Max-Age=0")) this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
    return answer;
  }
}

export interface AuthWorld extends WebWorld {
  reader(): Reader;
  /** The same, signed in with his password, which is his name and "!". */
  as(user: string): Promise<Reader>;
}

/** "ada", "bob", who is in the group "app", and "eve"; the password of each is his name and "!". */
export async function users(names = ["ada", "bob", "eve"]): Promise<NonNullable<Options["users"]>> {
  return Promise.all(
    names.map(async (name) => ({
      name,
      password: await hashPassword(`${name}!`, CHEAP),
      groups: name === "bob" ? ["app"] : [],
    })),
  );
}

export const RULES: NonNullable<Options["rules"]> = [
  { users: ["ada"], may: "admin" },
  { name: "app team", groups: ["app"], may: "control", projects: ["app"] },
];

/**
 * A master with pages and every tongue, and "ada" who administers, "bob" who controls the project app, "eve" who may
 * nothing more than anybody. `later` gives the options of a reload.
 */
export async function authWorld(
  options: Options = {},
  more: Partial<Config> = {},
  later: () => Options = () => ({}),
  server: z.input<typeof http.definition.options> = {},
): Promise<AuthWorld> {
  const known = await users();
  const [listening, pages, ...tongues] = [http({ port: 0, ...server }), web(), jsonrpc(), xmlrpc(), sse()];
  const services = (changed: Options) => [
    listening as never,
    pages as never,
    auth({ users: known, rules: RULES, startLink: false, ...options, ...changed }),
    ...tongues,
  ];
  const config = { services: services({}), ...more };
  const world = (await webWorld({}, config, () => ({ services: services(later()) }))) as AuthWorld;
  world.reader = () => new Reader(world.url);
  world.as = async (user) => {
    const reader = world.reader();
    const { status, body } = await reader.signIn(user, `${user}!`);
    if (status !== 303 || reader.cookies.size === 0) throw new Error(`${user} is not let in: ${status} ${body}`);
    return reader;
  };
  return world;
}
