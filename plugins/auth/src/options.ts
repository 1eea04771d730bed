import { duration, z } from "belfry";
import { isPasswordHash } from "./password.ts";

/** Who signs in by a link of the administrator's is called so, and nobody else. */
export const ADMINISTRATOR = "administrator";
/** Names that would be taken for somebody else in the audit. */
export const RESERVED: ReadonlySet<string> = new Set([ADMINISTRATOR, "anonymous", "belfry", "nobody"]);

const name = z.string().min(1).max(100);

/** A schema for the name of a user, wherever it comes from. */
export const userName = name
  .regex(/^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]*$/u, "expected no invisible characters")
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

export const authOptions = z.strictObject({
  users: z
    .array(userSchema)
    .max(10_000)
    .default([])
    .refine((users) => new Set(users.map((user) => user.name)).size === users.length, "two users have the same name")
    .describe("who signs in with a password"),
  rules: z.array(ruleSchema).max(1_000).default([]).describe("who may do what, and where"),
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
