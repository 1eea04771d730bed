import { createHash, createSign, generateKeyPairSync, type KeyObject, randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const other = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;

interface Asked {
  challenge: string;
  nonce: string;
  redirect: string;
}

/** A small OpenID provider on loopback: it lets everybody in, as whom the test says. */
export class Provider implements AsyncDisposable {
  readonly url: string;
  readonly #close: () => Promise<void>;
  readonly #codes = new Map<string, Asked>();
  /** What it says of whoever signs in. */
  claims: Record<string, unknown> = { preferred_username: "olga", groups: ["app"] };
  userinfo: Record<string, unknown> = {};
  /** Changes claims of the ID token just before it is signed. */
  forge: (claims: Record<string, unknown>) => Record<string, unknown> = (claims) => claims;
  wrongKey = false;
  /** Refuses to let anybody in. */
  denies = false;
  /** Answers everything with 500. */
  broken = false;
  readonly secret = "s3cret";
  asked = 0;

  private constructor(url: string, close: () => Promise<void>) {
    this.url = url;
    this.#close = close;
  }

  static async open(): Promise<Provider> {
    let provider: Provider | undefined;
    const server = createServer((req, res) => void provider?.answer(req, res));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    provider = new Provider(`http://127.0.0.1:${port}`, async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    });
    return provider;
  }

  get options() {
    return {
      issuer: this.url,
      clientId: "belfry",
      clientSecret: this.secret,
      groupsClaim: "groups",
      label: "Sign in with Test",
    };
  }

  async answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    this.asked += 1;
    const { pathname, searchParams } = new URL(req.url ?? "", this.url);
    const send = (status: number, value: unknown) =>
      res.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
    if (this.broken) return void send(500, {});
    switch (pathname) {
      case "/.well-known/openid-configuration":
        return void send(200, {
          issuer: this.url,
          authorization_endpoint: `${this.url}/authorize`,
          token_endpoint: `${this.url}/token`,
          userinfo_endpoint: `${this.url}/userinfo`,
          jwks_uri: `${this.url}/jwks`,
          response_types_supported: ["code"],
          subject_types_supported: ["public"],
          id_token_signing_alg_values_supported: ["RS256"],
          code_challenge_methods_supported: ["S256"],
          token_endpoint_auth_methods_supported: ["client_secret_post", "client_secret_basic"],
        });
      case "/jwks":
        return void send(200, {
          keys: [{ ...publicKey.export({ format: "jwk" }), kid: "1", use: "sig", alg: "RS256" }],
        });
      case "/authorize":
        return this.#authorize(searchParams, res);
      case "/token":
        return void send(...(await this.#token(req)));
      case "/userinfo":
        return void send(200, { sub: "42", ...this.userinfo });
      default:
        return void send(404, {});
    }
  }

  #authorize(query: URLSearchParams, res: ServerResponse): void {
    const redirect = query.get("redirect_uri") ?? "";
    const back = new URL(redirect);
    back.searchParams.set("state", query.get("state") ?? "");
    if (this.denies) back.searchParams.set("error", "access_denied");
    else if (query.get("response_type") !== "code" || query.get("code_challenge_method") !== "S256")
      back.searchParams.set("error", "invalid_request");
    else {
      const code = randomBytes(16).toString("hex");
      const [challenge, nonce] = [query.get("code_challenge") ?? "", query.get("nonce") ?? ""];
      this.#codes.set(code, { challenge, nonce, redirect });
      back.searchParams.set("code", code);
    }
    res.writeHead(302, { location: back.href }).end();
  }

  async #token(req: IncomingMessage): Promise<[number, unknown]> {
    let body = "";
    for await (const chunk of req) body += chunk;
    const form = new URLSearchParams(body);
    const code = form.get("code") ?? "";
    const asked = this.#codes.get(code);
    this.#codes.delete(code);
    const basic = `Basic ${Buffer.from(`belfry:${this.secret}`).toString("base64")}`;
    const known = form.get("client_secret") === this.secret || req.headers.authorization === basic;
    const challenge = createHash("sha256")
      .update(form.get("code_verifier") ?? "")
      .digest("base64url");
    if (!known) return [401, { error: "invalid_client" }];
    if (asked === undefined || asked.challenge !== challenge || asked.redirect !== form.get("redirect_uri"))
      return [400, { error: "invalid_grant" }];
    const now = Math.floor(Date.now() / 1_000);
    const claims = this.forge({
      iss: this.url,
      aud: "belfry",
      sub: "42",
      iat: now,
      exp: now + 60,
      nonce: asked.nonce,
      ...this.claims,
    });
    const id_token = signed(claims, this.wrongKey ? other : privateKey);
    return [200, { access_token: "access", token_type: "bearer", expires_in: 60, id_token }];
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#close();
  }
}

function signed(claims: object, key: KeyObject): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const text = `${part({ alg: "RS256", kid: "1", typ: "JWT" })}.${part(claims)}`;
  return `${text}.${createSign("RSA-SHA256").update(text).sign(key).toString("base64url")}`;
}
