import type { HttpContext } from "@belfry/http";
import { BelfryError, type Logger, z } from "belfry";
import type * as OpenIdClient from "openid-client";
import { readCookie, writeCookie } from "./cookie.ts";
import { addCookie, arrivalOf, type Entrance, goTo } from "./entrance.ts";
import { faults } from "./errors.ts";
import { type OidcOptions, userName } from "./options.ts";
import { inside } from "./paths.ts";

/** Somebody has to have signed in at the provider within this time. */
const FLOW_SECONDS = 600;
const PATIENCE_SECONDS = 10;
export const BACK = "/auth/oidc/back";

const flowShape = z.strictObject({
  state: z.string(),
  nonce: z.string(),
  verifier: z.string(),
  to: z.string(),
});

/** What this browser has begun: it is in a cookie that only this server reads, so that any process can go on. */
type Flow = z.output<typeof flowShape>;

export interface OidcParts {
  options: OidcOptions;
  entrance: Entrance;
  log: Logger;
  /** Where readers find this server. */
  base(ctx: HttpContext): string;
}

/** Signs people in by an OpenID provider: with an authorization code, PKCE, state and nonce. */
export class Oidc {
  readonly #parts: OidcParts;
  #provider: Promise<OpenIdClient.Configuration> | undefined;

  constructor(parts: OidcParts) {
    this.#parts = parts;
  }

  /** Sends a reader to the provider. */
  async begin(ctx: HttpContext): Promise<void> {
    await this.#orRefuse(ctx, inside(new URLSearchParams(ctx.querystring).get("to")), async (to) => {
      const { options, base } = this.#parts;
      const client = await import("openid-client");
      const provider = await this.#discovered(client);
      const flow: Flow = {
        state: client.randomState(),
        nonce: client.randomNonce(),
        verifier: client.randomPKCECodeVerifier(),
        to,
      };
      const url = client.buildAuthorizationUrl(provider, {
        redirect_uri: base(ctx) + BACK,
        scope: options.scope,
        response_type: "code",
        code_challenge: await client.calculatePKCECodeChallenge(flow.verifier),
        code_challenge_method: "S256",
        state: flow.state,
        nonce: flow.nonce,
      });
      const value = Buffer.from(JSON.stringify(flow)).toString("base64url");
      addCookie(ctx, writeCookie(arrivalOf(ctx), value, FLOW_SECONDS, "oidc"));
      goTo(ctx, url.href);
    });
  }

  /** The reader comes back with a code, or with a refusal. */
  async back(ctx: HttpContext): Promise<void> {
    const arrival = arrivalOf(ctx);
    const flow = readFlow(readCookie(arrival, "oidc"));
    // Good once, however it ends.
    addCookie(ctx, writeCookie(arrival, "", 0, "oidc"));
    await this.#orRefuse(ctx, inside(flow?.to), async (to) => {
      if (flow === undefined) throw faults.oidcStray();
      const client = await import("openid-client");
      const provider = await this.#discovered(client);
      const claims = await this.#claims(client, provider, ctx, flow);
      const { entrance } = this.#parts;
      await entrance.letIn(ctx, { ...this.#personIn(claims), via: "oidc", administrator: false }, to);
    });
  }

  async #orRefuse(ctx: HttpContext, to: string, work: (to: string) => Promise<void>): Promise<void> {
    ctx.set("Cache-Control", "no-store");
    ctx.set("Referrer-Policy", "no-referrer");
    const { entrance, log } = this.#parts;
    try {
      await work(to);
    } catch (error) {
      const told = BelfryError.is(error) ? error : this.#told(error);
      // What the provider said is for the administrator; a message of its may be anybody's text.
      if (told.code.startsWith("BELFRY_AUTH_OIDC"))
        log.warn({ err: told.cause ?? told, address: ctx.ip, code: told.code }, "somebody could not sign in");
      entrance.refuse(ctx, told, to);
    }
  }

  /** A failure of the client library: the provider does not answer, or its answer is not taken. */
  #told(error: unknown): BelfryError {
    const { name, code } = error as { name?: string; code?: string };
    if (name === "AuthorizationResponseError") return faults.oidcRefused(error);
    const isNetwork = name === "TimeoutError" || name === "TypeError" || code === "OAUTH_TIMEOUT";
    return isNetwork ? faults.oidcAway(error) : faults.oidcDistrusted(error);
  }

  /** What the provider says of itself; asked for once, and again if it did not answer. */
  #discovered(client: typeof OpenIdClient): Promise<OpenIdClient.Configuration> {
    if (this.#provider !== undefined) return this.#provider;
    const { issuer, clientId, clientSecret } = this.#parts.options;
    const execute = [client.enableNonRepudiationChecks];
    if (issuer.startsWith("http:")) execute.push(client.allowInsecureRequests);
    const metadata = clientSecret === undefined ? undefined : { client_secret: clientSecret };
    const auth = clientSecret === undefined ? client.None() : undefined;
    const asked = { execute, timeout: PATIENCE_SECONDS };
    const provider: Promise<OpenIdClient.Configuration> = client
      .discovery(new URL(issuer), clientId, metadata, auth, asked)
      .catch((error) => {
        if (this.#provider === provider) this.#provider = undefined;
        throw faults.oidcAway(error);
      });
    this.#provider = provider;
    return provider;
  }

  async #claims(
    client: typeof OpenIdClient,
    provider: OpenIdClient.Configuration,
    ctx: HttpContext,
    { state, nonce, verifier }: Flow,
  ): Promise<Record<string, unknown>> {
    const { options, base } = this.#parts;
    const url = new URL(`${base(ctx)}${BACK}?${ctx.querystring}`);
    const tokens = await client.authorizationCodeGrant(provider, url, {
      pkceCodeVerifier: verifier,
      expectedState: state,
      expectedNonce: nonce,
      idTokenExpected: true,
    });
    const claims: Record<string, unknown> = { ...tokens.claims() };
    const missing = [options.userClaim, ...(options.groupsClaim === undefined ? [] : [options.groupsClaim])].some(
      (name) => claims[name] === undefined,
    );
    if (!missing || provider.serverMetadata().userinfo_endpoint === undefined) return claims;
    // Some providers tell there only what is not about the sign-in itself.
    return { ...(await client.fetchUserInfo(provider, tokens.access_token, String(claims["sub"]))), ...claims };
  }

  #personIn(claims: Record<string, unknown>): { user: string; groups: string[] } {
    const { userClaim, groupsClaim } = this.#parts.options;
    // Anybody may have given his account somebody else's address.
    if (userClaim === "email" && ["false", false].includes(claims["email_verified"] as never))
      throw faults.oidcUnverified();
    const user = userName.safeParse(claims[userClaim]);
    if (!user.success) throw claims[userClaim] === undefined ? faults.oidcClaim(userClaim) : faults.nameRefused();
    const given = groupsClaim === undefined ? [] : claims[groupsClaim];
    const list = Array.isArray(given) ? given : typeof given === "string" ? [given] : [];
    const groups = list.filter((group) => typeof group === "string" && group !== "" && group.length <= 100);
    return { user: user.data, groups: [...new Set<string>(groups)].slice(0, 1_000) };
  }
}

function readFlow(value: string | undefined): Flow | undefined {
  if (value === undefined) return undefined;
  try {
    return flowShape.safeParse(JSON.parse(Buffer.from(value, "base64url").toString())).data;
  } catch {
    return undefined;
  }
}
