import { faults } from "../../errors/catalogue.ts";
import { duration } from "../../plugins/define.ts";
import type { CliCommand, Positional } from "../cli-command.ts";
import { EXIT } from "../exit-code.ts";
import { collectList } from "../options.ts";
import { oneLine } from "../plain-text.ts";
import type { Session } from "../session.ts";
import { table } from "../table.ts";
import { dayText } from "../time-text.ts";

const SCOPES = ["read", "control", "admin"];

interface TokenAnswer {
  name: string;
  scopes: string[];
  builders: string[] | null;
  projects: string[] | null;
  tags: string[] | null;
  expiresAt: number | null;
  usedAt: number | null;
  revokedAt: number | null;
}

/** `belfry token add|list|revoke`: keys for programs and people that come over HTTP. */
const token: CliCommand = {
  name: "token",
  summary: "add, list and revoke tokens for the API over HTTP",
  define: (command) => {
    command
      .argument("<action>", "add, list or revoke")
      .argument("[name]", "the token's name, for add and revoke")
      .option("--scope <scope>", "add: read, control or admin; default read", collectList)
      .option("--builder <name>", "add: only this builder is seen and controlled; may be given again", collectList)
      .option("--project <name>", "add: only builders of this project", collectList)
      .option("--tag <name>", "add: only builders with this tag", collectList)
      .option("--expires <time>", 'add: ends after this time, such as "30d"');
  },
  async run(session, positional, options) {
    const [action, name] = positional as (string | undefined)[];
    if (action === "list") return list(session);
    if (action !== "add" && action !== "revoke") throw faults.usage("`belfry token` needs one of: add, list, revoke.");
    if (name === undefined) throw faults.usage(`\`belfry token ${action}\` needs the token's name.`);
    if (action === "add") return add(session, name, options);
    await session.call("tokens.revoke", { name });
    session.print({ name, revoked: true }, () => [`The token ${oneLine(name)} is revoked.`]);
    return EXIT.fine;
  },
} satisfies CliCommand & {
  run(session: Session, positional: Positional, options: Record<string, unknown>): Promise<number>;
};

export default token;

interface AddOptions {
  scope?: string[];
  builder?: string[];
  project?: string[];
  tag?: string[];
  expires?: string;
}

async function add(session: Session, name: string, options: AddOptions): Promise<number> {
  const { scope = ["read"], builder, project, tag, expires } = options;
  const unknown = scope.find((each) => !SCOPES.includes(each));
  if (unknown !== undefined)
    throw faults.usage(`--scope has to be one of ${SCOPES.join(", ")}; "${oneLine(unknown, 100)}" is not.`);
  const answer = await session.call<{ name: string; token: string }>("tokens.add", {
    name,
    scopes: scope,
    ...(builder ? { builders: builder } : {}),
    ...(project ? { projects: project } : {}),
    ...(tag ? { tags: tag } : {}),
    ...(expires === undefined ? {} : { expiresAt: Date.now() + readDuration(expires) }),
  });
  session.print({ ...answer }, () => [answer.token]);
  if (!session.json) {
    session.err.line(
      `This is the token ${oneLine(name)} (${scope.join(", ")}). Keep it: only a hash of it is stored, so it is not shown again.`,
    );
    session.err.line("Send it as the header `Authorization: Bearer …`.");
  }
  return EXIT.fine;
}

async function list(session: Session): Promise<number> {
  const { items } = await session.call<{ items: TokenAnswer[] }>("tokens.list");
  const rows = items.map((item) => [
    oneLine(item.name, 60),
    item.scopes.join(", "),
    oneLine(
      [
        ...(item.builders ?? []),
        ...(item.projects ?? []).map((each) => `project ${each}`),
        ...(item.tags ?? []).map((each) => `tag ${each}`),
      ].join(", ") || "everything",
      60,
    ),
    item.usedAt === null ? "never" : dayText(item.usedAt),
    stateOf(item),
  ]);
  session.print({ items: items.map((item) => ({ ...item })) }, () =>
    items.length === 0
      ? ["There are no tokens."]
      : table(["TOKEN", "SCOPES", "SEES", "LAST USED", "STATE"], rows, session.columns),
  );
  return EXIT.fine;
}

function stateOf({ revokedAt, expiresAt }: TokenAnswer): string {
  if (revokedAt !== null) return `revoked ${dayText(revokedAt)}`;
  if (expiresAt === null) return "good";
  return expiresAt < Date.now() ? `expired ${dayText(expiresAt)}` : `good until ${dayText(expiresAt)}`;
}

function readDuration(text: string): number {
  const checked = duration.safeParse(text);
  if (checked.success) return Math.round(checked.data);
  throw faults.usage('--expires has to be a length of time such as "12h" or "30d".');
}
