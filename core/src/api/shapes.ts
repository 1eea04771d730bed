import { z } from "zod";
import { RESULTS } from "../interfaces/values.ts";

const millis = z.number().describe("milliseconds since 1970");
export const result = z.enum(RESULTS);
const id = z.int();

export const stampShape = z.object({
  repository: z.string(),
  branch: z.string().nullable(),
  revision: z.string().nullable(),
  codebase: z.string(),
  project: z.string(),
  patch: z
    .object({ level: z.int(), body: z.string(), author: z.string().optional(), comment: z.string().optional() })
    .nullable(),
});

export const builderShape = z.object({
  id,
  name: z.string(),
  project: z.string(),
  tags: z.array(z.string()),
  description: z.string(),
  configured: z.boolean().describe("false for a builder that only has history"),
  position: z.int().nullable().describe("its place in the configuration, from 0; null without one"),
  paused: z.boolean(),
  pausedReason: z.string().nullable(),
  pausedBy: z.string().nullable(),
  pausedAt: millis.nullable(),
  workers: z.array(z.string()),
});

export const buildShape = z.object({
  id,
  builder: z.string(),
  number: z.int().describe("counts the builder's builds from 1"),
  request: id,
  buildset: id,
  worker: z.string(),
  state: z.enum(["assigned", "running", "finished"]),
  branch: z.string().nullable(),
  revision: z.string().nullable(),
  assignedAt: millis,
  startedAt: millis.nullable(),
  finishedAt: millis.nullable(),
  result: result.nullable(),
  summary: z.string(),
  stopReason: z.string().nullable(),
});

export const stepShape = z.object({
  build: id,
  step: z.int().describe("counts the build's steps from 1"),
  parent: z.int().nullable().describe("the number of the group that it belongs to"),
  name: z.string(),
  kind: z.string().describe('"parallel" and "sequence" are groups of steps'),
  startedAt: millis,
  finishedAt: millis.nullable(),
  result: result.nullable(),
  summary: z.string(),
  error: z.json(),
  hidden: z.boolean().describe("true for a step that pages should leave out"),
  attempts: z
    .array(z.object({ result, summary: z.string(), startedAt: millis, finishedAt: millis }))
    .describe("those after which the step was tried again; the logs of attempt N have it in their name"),
  links: z.array(z.object({ name: z.string(), url: z.string() })),
  statistics: z.record(z.string(), z.number()),
});

export const failureShape = z.object({
  steps: z.array(
    z.object({
      step: z.int(),
      name: z.string(),
      result,
      summary: z.string(),
      logs: z.array(
        z.object({
          log: z.int(),
          name: z.string(),
          of: z.enum(["errors", "end"]).describe("whether its lines name errors, or are only its last ones"),
          lines: z.array(z.object({ number: z.int(), text: z.string() })),
        }),
      ),
      failing: z.array(z.string()),
    }),
  ),
  moreSteps: z.boolean(),
  failing: z.array(z.string()).describe("names of tests that failed, as far as they are known"),
  lastGood: z
    .object({ build: id, number: z.int(), revision: z.string().nullable(), finishedAt: millis.nullable() })
    .nullable()
    .describe("the newest good build of the same builder and branch before it"),
  changes: z
    .array(
      z.object({
        change: id,
        author: z.string(),
        revision: z.string().nullable(),
        branch: z.string().nullable(),
        comments: z.string().describe("the first line"),
        project: z.string(),
        link: z.string().nullable(),
      }),
    )
    .describe("what was built since, newest first; those that the caller may see"),
  moreChanges: z.boolean(),
});

export const logShape = z.object({
  build: id,
  step: z.int(),
  log: z.int().describe("counts the step's logs from 1"),
  name: z.string(),
  finished: z.boolean(),
  lines: z.int(),
  bytes: z.int(),
  truncated: z.boolean().describe("true when it reached its cap"),
  error: z.json(),
});

export const requestShape = z.object({
  id,
  buildset: id,
  builder: z.string(),
  priority: z.int(),
  state: z.enum(["pending", "claimed", "complete"]),
  submittedAt: millis,
  claimedAt: millis.nullable(),
  completeAt: millis.nullable(),
  result: result.nullable(),
  retries: z.int().describe("how many of its builds ended as retry"),
  expiresAt: millis.nullable().describe("when it is cancelled if it still waits; null if it may wait for ever"),
  collapsedInto: id.nullable().describe("the request that it is built with; its own result is skipped then"),
});

/** The step that began a buildset. */
export const parentShape = z.object({
  build: id,
  builder: z.string(),
  number: z.int(),
  step: z.int().describe("counts that build's steps from 1"),
});

export const buildsetShape = z.object({
  id,
  scheduler: z.string().nullable(),
  owner: z.string().nullable(),
  reason: z.string(),
  externalId: z.string().nullable(),
  parent: parentShape.nullable().describe("the step that triggered it; null for none, or none that the caller may see"),
  properties: z.record(z.string(), z.json()),
  submittedAt: millis,
  completeAt: millis.nullable(),
  result: result.nullable(),
  sourceStamps: z.array(stampShape),
  changes: z.array(id),
  requests: z.array(requestShape),
});

export const changeShape = z.object({
  id,
  source: z.string(),
  key: z.string(),
  author: z.string(),
  comments: z.string(),
  files: z.array(z.string()),
  revision: z.string().nullable(),
  branch: z.string().nullable(),
  repository: z.string(),
  codebase: z.string(),
  project: z.string(),
  category: z.string().nullable(),
  link: z.string().nullable(),
  when: millis,
  added: millis,
  properties: z.record(z.string(), z.json()),
});

export const eventShape = z.object({
  position: z.string().describe("opaque; give it back as `since`"),
  type: z.string(),
  time: millis,
  builder: z.string().nullable(),
  project: z.string().nullable(),
  data: z.record(z.string(), z.json()),
});

export const lineShape = z.object({
  number: z.int().describe("counted from 0"),
  channel: z.enum(["stdout", "stderr", "header"]),
  time: millis,
  text: z.string().describe("decoded as UTF-8; what is no UTF-8 becomes U+FFFD"),
  continues: z
    .literal(true)
    .optional()
    .describe("there for a piece of a line of more than 64 KiB: the next line of its channel goes on with it"),
});

export const propertyShape = z.object({ value: z.json(), source: z.string() });
