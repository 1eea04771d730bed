import { duration, z } from "belfry";
import { protocolOption } from "./git-settings.ts";
import { loginOptions } from "./login.ts";
import { refPatterns } from "./ref-filter.ts";

const fields = z.strictObject({
  repository: z.string().describe("path or URL; a relative path starts at the configuration's folder"),
  branches: refPatterns
    .optional()
    .describe("patterns of the branches to watch, or true for all; default: main, master"),
  tags: z
    .union([z.literal(false), refPatterns])
    .optional()
    .describe("patterns of the tags to watch, or true for all"),
  onlyTags: z.boolean().default(false).describe("watch no branches"),
  buildPushesWithoutCommits: z
    .boolean()
    .default(false)
    .describe("a push that brings no commit that is new to the branch is a change, too"),
  pollInterval: duration.refine((ms) => ms >= 100, "expected at least 100ms").prefault("60s"),
  pollTimeout: duration.refine((ms) => ms > 0, "expected more than 0").prefault("10m"),
  project: z.string().max(200).optional(),
  codebase: z.string().max(200).optional(),
  category: z.string().max(200).nullable().optional(),
  changeLimit: z
    .int()
    .min(1)
    .max(100_000)
    .default(1_000)
    .describe("most changes of one branch in one poll; the newest are taken"),
  fileLimit: z.int().min(0).max(1_000_000).default(10_000).describe("most files of one change"),
  ...loginOptions,
  protocols: protocolOption,
  trusted: z.boolean().default(false).describe("read a local repository although its files belong to another user"),
});

export const pollerOptions = fields
  .refine(({ onlyTags, branches }) => !onlyTags || branches === undefined, {
    path: ["branches"],
    error: "expected none, since `onlyTags` says that no branches are watched",
  })
  .refine(({ onlyTags, tags }) => !onlyTags || tags !== false, {
    path: ["tags"],
    error: "expected patterns or true, since `onlyTags` leaves nothing else to watch",
  });

export type PollerOptions = z.output<typeof fields>;
