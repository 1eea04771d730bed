import type { Json } from "../../interfaces/values.ts";
import type { PluginAnswer } from "../answers.ts";
import type { CliCommand } from "../cli-command.ts";
import { EXIT } from "../exit-code.ts";
import { oneLine } from "../plain-text.ts";
import { table } from "../table.ts";

/** `belfry plugins`: what the running master has loaded. */
const plugins: CliCommand = {
  name: "plugins",
  summary: "list the plugins of the running master and what they offer",
  define: () => undefined,
  async run(session) {
    const answer = await session.call<{ items: PluginAnswer[] }>("plugins.list");
    const rows = answer.items.map(({ name, version, kinds, methods, commands }) => [
      oneLine(name, 60),
      oneLine(version ?? ""),
      oneLine(
        [
          ...kinds.map(({ point, kind }) => `${kind} (${point})`),
          ...methods.map((method) => `method ${method}`),
          ...commands.map((command) => `belfry ${command}`),
        ].join(", "),
        1_000,
      ),
    ]);
    session.print(answer as unknown as Json, () => table(["PLUGIN", "VERSION", "OFFERS"], rows, session.columns));
    return EXIT.fine;
  },
};

export default plugins;
