import { type RenderContext, render, type SourceContext } from "belfry";
import { faults } from "./errors.ts";
import type { LoginWords } from "./login.ts";

/** A poller has no build, so of what an option may be computed from there are only secrets. */
export async function renderSecrets(
  ctx: SourceContext,
  { username, password, sshPrivateKey, sshKnownHosts }: { [K in keyof LoginWords]: unknown },
): Promise<LoginWords> {
  const noBuild = () => {
    throw faults.loginInvalid("It asks for the build or its properties, and a poller has none.");
  };
  const nothing = new Proxy({}, { get: noBuild });
  const from = { secret: (name: string) => ctx.secret(name), properties: nothing, build: nothing } as RenderContext;
  return (await render({ username, password, sshPrivateKey, sshKnownHosts }, from)) as LoginWords;
}
