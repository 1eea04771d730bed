import { BelfryError } from "belfry";

const shown = (text: string) => (text.length > 100 ? `${text.slice(0, 100)}…` : text);

function minutes(millis: number): string {
  const count = Math.max(1, Math.ceil(millis / 60_000));
  return count === 1 ? "a minute" : `${count} minutes`;
}

/** The errors of this package; the README has the same list. */
export const faults = {
  noHttp: (cause: unknown) =>
    new BelfryError(
      "BELFRY_AUTH_NO_HTTP",
      {
        what: "Nobody can sign in.",
        why: "The configuration has no HTTP server.",
        fix: "Add http() of @belfry/http to `services`.",
      },
      { cause },
    ),
  refused: () =>
    new BelfryError("BELFRY_AUTH_REFUSED", {
      what: "You are not signed in.",
      why: "There is no such user, or the password is another one.",
      fix: "Try again. The administrator gets in by the link that `belfry login-link` prints.",
    }),
  tooMany: (wait: number) =>
    new BelfryError(
      "BELFRY_AUTH_TOO_MANY_TRIES",
      {
        what: "This try was not looked at.",
        why: "Too many have failed, of this user or from your address.",
        fix: `Try again in ${minutes(wait)}. The administrator gets in by the link that \`belfry login-link\` prints.`,
      },
      { details: [{ path: "retryAfterSeconds", message: String(Math.max(1, Math.ceil(wait / 1_000))) }] },
    ),
  busy: () =>
    new BelfryError("BELFRY_AUTH_BUSY", {
      what: "This try was not looked at.",
      why: "Many others are signing in right now.",
      fix: "Try again in some seconds.",
    }),
  away: (cause?: unknown) =>
    new BelfryError(
      "BELFRY_AUTH_AWAY",
      {
        what: "Nobody can sign in or out now.",
        why: "The part of the master that keeps sessions does not answer.",
        fix: "Try again soon; if it stays so, ask the administrator whether the master runs.",
      },
      { cause },
    ),
  linkUsed: () =>
    new BelfryError("BELFRY_AUTH_LINK_USED", {
      what: "This link does not sign in any more.",
      why: "It was good once and for 10 minutes; it was used, or its time is over.",
      fix: "Ask the administrator for another: `belfry login-link` prints one on the master's machine.",
    }),
  formBroken: () =>
    new BelfryError("BELFRY_AUTH_FORM_BROKEN", {
      what: "This form cannot be read.",
      why: "It is not application/x-www-form-urlencoded.",
      fix: "Send it from the page /login.",
    }),
  proxyRefused: (header: string) =>
    new BelfryError("BELFRY_AUTH_PROXY_REFUSED", {
      what: "This request was not taken.",
      why: `It names a user in the header ${header}, and does not come from the proxy that may do so.`,
      fix: "Ask through the proxy, or leave the header out. The administrator names the proxy's addresses in `proxy.from` of auth().",
    }),
  nameRefused: () =>
    new BelfryError("BELFRY_AUTH_NAME_REFUSED", {
      what: "You are not signed in.",
      why: "What you are called there cannot be the name of a user here: it is empty, too long, has invisible characters, or means somebody else.",
      fix: "Have the administrator choose another header, or another claim as `userClaim` of auth().",
    }),
  oidcAway: (cause?: unknown) =>
    new BelfryError(
      "BELFRY_AUTH_OIDC_AWAY",
      {
        what: "You are not signed in.",
        why: "The provider that signs people in does not answer, or not as one.",
        fix: "Try again later. The administrator finds the reason in the master's log.",
      },
      { cause },
    ),
  oidcRefused: (cause?: unknown) =>
    new BelfryError(
      "BELFRY_AUTH_OIDC_REFUSED",
      {
        what: "You are not signed in.",
        why: "The provider did not let you in, or you have told it not to.",
        fix: "Try again, or ask who runs the provider. The administrator finds what it said in the master's log.",
      },
      { cause },
    ),
  oidcDistrusted: (cause?: unknown) =>
    new BelfryError(
      "BELFRY_AUTH_OIDC_DISTRUSTED",
      {
        what: "You are not signed in.",
        why: "What came from the provider is not what was asked for, or it cannot be proved that it came from there.",
        fix: "Try again. If it stays so, the administrator finds the reason in the master's log.",
      },
      { cause },
    ),
  oidcStray: () =>
    new BelfryError("BELFRY_AUTH_OIDC_STRAY", {
      what: "You are not signed in.",
      why: "You came from the provider without having begun here: it was in another browser, too long ago, or done already.",
      fix: "Sign in again from this page, and finish within 10 minutes.",
    }),
  oidcClaim: (claim?: string) =>
    new BelfryError("BELFRY_AUTH_OIDC_CLAIM", {
      what: "You are not signed in.",
      why: `The provider does not say what you are called${claim === undefined ? "" : `: the claim "${claim}" is missing`}.`,
      fix: "The administrator names another claim as `userClaim`, or asks for more in `scope` of auth().",
    }),
  oidcUnverified: () =>
    new BelfryError("BELFRY_AUTH_OIDC_UNVERIFIED", {
      what: "You are not signed in.",
      why: "The provider says that it has not verified your address, by which you would be known here.",
      fix: "Have the provider verify it and sign in again. The administrator can name another claim as `userClaim` of auth().",
    }),
  userUnknown: (user: string) =>
    new BelfryError("BELFRY_AUTH_USER_UNKNOWN", {
      what: `There is no user "${shown(user)}".`,
      why: "None of `users` of auth() is called so.",
      fix: "Name one of them, or leave the user out for a link of the administrator's.",
    }),
  notConfigured: () =>
    new BelfryError("BELFRY_AUTH_NOT_CONFIGURED", {
      what: "There are no rules to try.",
      why: "The configuration has no auth().",
      fix: "Add auth() of @belfry/auth to `services`, or name another configuration with --config.",
    }),
  methodUnknown: (method: string) =>
    new BelfryError("BELFRY_AUTH_METHOD_UNKNOWN", {
      what: `There is no method "${shown(method)}".`,
      why: "Neither core nor a plugin of the configuration has it.",
      fix: "Look up its name in API.md of `belfry`, such as builds.stop.",
    }),
  builderUnknown: (builder: string) =>
    new BelfryError("BELFRY_AUTH_BUILDER_UNKNOWN", {
      what: `There is no builder "${shown(builder)}".`,
      why: "The configuration does not have it.",
      fix: "Name one of its `builders`, or leave it out.",
    }),
  passwordLength: (shortest: number, longest: number) =>
    new BelfryError("BELFRY_AUTH_PASSWORD_LENGTH", {
      what: "This password cannot be used.",
      why: `It needs ${shortest} to ${longest} characters.`,
      fix: "Choose another; some words in a row are easy to keep in mind and hard to guess.",
    }),
  sessionNeeded: (method: string) =>
    new BelfryError("BELFRY_AUTH_SESSION_NEEDED", {
      what: `"${method}" is not possible with these credentials.`,
      why: "People have tokens of their own; a token has none, and who has not signed in is nobody.",
      fix: "Sign in and call it from there, or make a token with `belfry token add`.",
    }),
  noTokensForLinks: () =>
    new BelfryError("BELFRY_AUTH_NOBODY", {
      what: "No token was made.",
      why: "Who comes by a link of the administrator's is nobody in particular, and a token belongs to somebody.",
      fix: "Make one with `belfry token add`, or sign in as yourself.",
    }),
  tokenTooWide: (scope: string) =>
    new BelfryError("BELFRY_AUTH_TOKEN_TOO_WIDE", {
      what: "No token was made.",
      why: `A token may no more than its owner, who does not have the scope "${scope}".`,
      fix: "Choose a narrower scope.",
    }),
  tokenTwice: (name: string) =>
    new BelfryError("BELFRY_AUTH_TOKEN_TWICE", {
      what: `You have a token "${shown(name)}" already.`,
      why: "Each of them has a name of its own, so that you can tell them apart.",
      fix: "Choose another name, or revoke that one.",
    }),
  tokensFull: (most: number) =>
    new BelfryError("BELFRY_AUTH_TOKENS_FULL", {
      what: "No token was made.",
      why: `You have ${most} already, which is the most.`,
      fix: "Revoke one that you do not use.",
    }),
  tokenUnknown: (name: string) =>
    new BelfryError("BELFRY_AUTH_TOKEN_UNKNOWN", {
      what: `There is no token "${shown(name)}".`,
      why: "Its owner has none of this name; it may have expired.",
      fix: "Look up its name in the list of tokens.",
    }),
  othersTokens: (method: string) =>
    new BelfryError("BELFRY_AUTH_NOT_YOURS", {
      what: `"${method}" is not allowed for somebody else.`,
      why: 'It needs the scope "admin".',
      fix: "Leave `owner` out for your own tokens.",
    }),
  internalOnly: (method: string) =>
    new BelfryError("BELFRY_AUTH_INTERNAL_ONLY", {
      what: `"${method}" is not allowed.`,
      why: "It is for the master itself.",
      fix: "Leave it to the master.",
    }),
};

/** The statuses of answers that have these codes. */
export const STATUS: Readonly<Record<string, number>> = {
  BELFRY_AUTH_REFUSED: 401,
  BELFRY_AUTH_TOO_MANY_TRIES: 429,
  BELFRY_AUTH_BUSY: 503,
  BELFRY_AUTH_AWAY: 503,
  BELFRY_AUTH_NAME_REFUSED: 403,
  BELFRY_AUTH_OIDC_AWAY: 502,
  BELFRY_AUTH_OIDC_REFUSED: 403,
  BELFRY_AUTH_OIDC_DISTRUSTED: 502,
  BELFRY_AUTH_OIDC_STRAY: 400,
  BELFRY_AUTH_OIDC_CLAIM: 502,
  BELFRY_AUTH_OIDC_UNVERIFIED: 403,
  BELFRY_AUTH_LINK_USED: 410,
  BELFRY_AUTH_FORM_BROKEN: 400,
};
