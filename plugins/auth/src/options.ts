import { isIP } from "node:net";
import { duration, z } from "belfry";
import { isPasswordHash } from "./password.ts";

/** Who signs in by a link of the administrator's is called so, and nobody else. */
export const ADMINISTRATOR = "administrator";
/** Names that would be taken for somebody else in the audit. */
export const RESERVED: ReadonlySet<string> = new Set([ADMINISTRATOR, "anonymous", "belfry", "nobody"]);

const name = z.string().min(1).max(100);

/** Text that shows all that is in it. */
export const plainName = name.regex(/^[^\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]*$/u, "expected no invisible characters");

/** A schema for the name of a user, wherever it comes from. */
export const userName = plainName
  .refine((text) => text.trim() === text, "expected no spaces at its ends")
  .refine((text) => !RESERVED.has(text.toLowerCase()), "this name means somebody else");

const ruleSchema = z
  .strictObject({
    name: name.optional().describe("what the rule is called, such as the role that it describes"),
    users: z.array(name).max(10_000).optional(),
    groups: z.array(name).max(10_000).optional(),
    signedIn: z.literal(true).optional().describe("everybody who has signed in"),
    anybody: z.literal(true).optional().describe("everybody, signed in or not"),
    may: z.enum(["read", "control", "admin"]).describe("a wider one holds the narrower ones"),
    builders: z.array(z.string().min(1).max(200)).max(10_000).optional().describe("`*` stands for any text"),
    projects: z.array(z.string().max(200)).max(10_000).optional(),
    tags: z.array(z.string().max(200)).max(10_000).optional(),
  })
  .refine((rule) => rule.users || rule.groups || rule.signedIn || rule.anybody, {
    message: "expected who it is about: users, groups, signedIn or anybody",
  })
  .refine((rule) => rule.may !== "admin" || (!rule.builders && !rule.projects && !rule.tags), {
    path: ["may"],
    message: "who may administer may do so everywhere; leave out builders, projects and tags",
  })
  .refine((rule) => rule.may === "read" || !rule.anybody, {
    path: ["may"],
    message: "who has not signed in can only read",
  });

/** Who may do what, and where. */
export type Rule = z.output<typeof ruleSchema>;

const userSchema = z.strictObject({
  name: userName,
  password: z
    .string()
    .refine(isPasswordHash, "expected a hash that `belfry password` has made, such as scrypt$15$8$3$…")
    .describe("a hash that `belfry password` has made"),
  groups: z.array(name).max(1_000).default([]),
});

export type User = z.output<typeof userSchema>;

const headerName = z
  .string()
  .regex(/^[A-Za-z0-9-]{1,100}$/, 'expected the name of a header, such as "X-Forwarded-User"');

/** A machine or a network of machines. */
const network = z.string().refine((text) => {
  const [address = "", bits, ...more] = text.split("/");
  const version = isIP(address);
  const most = version === 6 ? 128 : 32;
  return version !== 0 && more.length === 0 && (bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= most));
}, 'expected an address or a network, such as "127.0.0.1" or "10.0.0.0/8"');

const proxySchema = z.strictObject({
  user: headerName.describe("the header in which the proxy names the user"),
  groups: headerName.optional().describe("the header in which it lists his groups"),
  separator: z.string().min(1).max(5).default(",").describe("what stands between groups"),
  from: z.array(network).min(1).max(100).describe("addresses or networks that the proxy asks from"),
  signOut: z
    .string()
    .regex(/^(https:\/\/|\/)\S+$/, "expected a path or an address with https")
    .optional()
    .describe("where the proxy signs its users out"),
});

export type ProxyOptions = z.output<typeof proxySchema>;

const oidcSchema = z.strictObject({
  issuer: z
    .string()
    .refine(isIssuer, "expected an address with https; plain http is for a provider on this machine only")
    .describe("the address of the provider, as it calls itself"),
  clientId: z.string().min(1).max(500),
  clientSecret: z.string().min(1).max(2_000).optional().describe("left out for a public client"),
  label: z.string().min(1).max(100).default("Sign in with OpenID Connect").describe("what the link to sign in says"),
  scope: z
    .string()
    .regex(/(^| )openid( |$)/, 'expected "openid" among them')
    .default("openid profile")
    .describe("what the provider is asked for"),
  userClaim: z.string().min(1).max(100).default("preferred_username").describe("the claim that names the user"),
  groupsClaim: z.string().min(1).max(100).optional().describe("the claim that lists his groups"),
});

export type OidcOptions = z.output<typeof oidcSchema>;

function isIssuer(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, username, search, hash } = new URL(text);
  const local = ["localhost", "127.0.0.1", "[::1]"].includes(hostname);
  return (protocol === "https:" || (protocol === "http:" && local)) && username === "" && search === "" && hash === "";
}

export const authOptions = z.strictObject({
  users: z
    .array(userSchema)
    .max(10_000)
    .default([])
    .refine((users) => new Set(users.map((user) => user.name)).size === users.length, "two users have the same name")
    .describe("who signs in with a password"),
  rules: z.array(ruleSchema).max(1_000).default([]).describe("who may do what, and where"),
  oidc: oidcSchema.optional().describe("a provider of OpenID Connect by which people sign in"),
  proxy: proxySchema.optional().describe("a proxy that signs people in before they come here"),
  url: z
    .string()
    .regex(/^https?:\/\/[^\s/?#]+$/, 'expected an address such as "https://ci.example.com", without a path')
    .optional()
    .describe("where readers find the pages; default: where the server listens"),
  idle: duration.default(12 * 3_600_000).describe("a session ends when nothing was asked for so long"),
  longest: duration.default(14 * 86_400_000).describe("a session ends after this time at the latest"),
  absence: duration
    .default(90 * 86_400_000)
    .describe("tokens of people who are known by another way than a password rest when they have not come for so long"),
  startLink: z.boolean().default(true).describe("tell a one-time link for the administrator at the start"),
});

export type AuthOptions = z.output<typeof authOptions>;
