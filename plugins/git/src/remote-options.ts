import { duration, renders, type SourceStampSpec, type StepContext, z } from "belfry";
import { faults } from "./errors.ts";
import { allowedProtocols, protocolOption } from "./git-settings.ts";
import { Login, type LoginWords, loginOptions } from "./login.ts";
import { parseAddress } from "./repository-address.ts";
import { treePath } from "./tree-path.ts";
import { WorkerGit } from "./worker-git.ts";

const HOST = /^(https?:\/\/)?(\[[0-9a-f:.]+\]|[\p{L}\p{N}][\p{L}\p{N}._-]*)(:\d{1,5})?$/iu;

/** Options of every step that talks to a repository. */
export const remoteOptions = {
  repository: renders(z.string().min(1)).optional().describe("path or URL; default: the source stamp's"),
  codebase: z.string().max(200).default("").describe("which source stamp of the build"),
  path: treePath.optional().describe("folder of the work tree, in the build's folder; default: the codebase, or ."),
  ...loginOptions,
  hosts: z
    .array(z.string().max(300).regex(HOST, 'expected a host such as "example.org", or "https://example.org:8443"'))
    .max(100)
    .optional()
    .describe("which hosts are given the password, besides that of `repository`"),
  protocols: protocolOption,
  retries: z.int().min(0).max(100).default(2).describe("how often to try again when the repository cannot be reached"),
  retryDelay: duration.prefault("10s"),
  timeout: duration
    .refine((ms) => ms > 0, "expected more than 0")
    .prefault("1h")
    .describe("ends a single git command"),
  env: renders(z.record(z.string(), renders(z.string().nullable()))).default({}),
  trusted: z.boolean().default(false).describe("use a local repository although its files belong to another user"),
};

const schema = z.strictObject(remoteOptions);
export type RemoteOptions = z.output<typeof schema>;

/** Finds at start what would fail in the first build. */
export function checkRemote(given: RemoteOptions, folder: string): void {
  if (typeof given.repository === "string") parseAddress(given.repository, folder);
  treeFolder(given);
  if (given.repository === undefined && given.hosts === undefined && given.password !== undefined)
    throw faults.loginInvalid(
      "There is a `password`, but neither a `repository` nor `hosts`: a source stamp could send it anywhere.",
    );
}

/** Where the work tree is. */
export function treeFolder({ path, codebase }: { path?: string | undefined; codebase: string }): string {
  if (path !== undefined) return path;
  if (codebase === "") return ".";
  if (treePath.safeParse(codebase).success) return codebase;
  throw faults.pathNeeded(codebase);
}

export function findStamp(ctx: StepContext, codebase: string): Required<SourceStampSpec> | undefined {
  return ctx.build.sourceStamps.find((each) => each.codebase === codebase);
}

/** Git in the step's work tree, and how it reaches the repository. */
export async function openGit(given: RemoteOptions, ctx: StepContext, folder: string): Promise<WorkerGit> {
  const stamp = findStamp(ctx, given.codebase);
  const { username, password, sshPrivateKey, sshKnownHosts } = given;
  const rendered = await ctx.render({ repository: given.repository, env: given.env });
  const words = (await ctx.render({ username, password, sshPrivateKey, sshKnownHosts })) as LoginWords;
  const repository = (rendered.repository as string | undefined) ?? stamp?.repository ?? "";
  if (repository === "") throw faults.noSource(given.codebase);
  const address = parseAddress(repository, folder);
  const scopes = (given.hosts ?? []).map((host) => (host.includes("://") ? host : `https://${host}`));
  const login = new Login(address, words, scopes);
  const scope = login.address.credentials?.scope;
  if (given.repository === undefined && password !== undefined && scope !== undefined && !scopes.includes(scope))
    throw faults.loginInvalid(`The build's repository is at ${scope}, which is none of \`hosts\`.`);
  return new WorkerGit(ctx, {
    login,
    path: treeFolder(given),
    trusted: given.trusted,
    protocols: allowedProtocols(address, given.protocols),
    env: rendered.env as Record<string, string | null>,
    timeout: given.timeout,
  });
}
