import type { Command } from "belfry";

interface LinkAnswer {
  url: string | null;
  path: string;
  user: string;
  expiresAt: number;
}

/** `belfry login-link`: asks the running master for a link that signs in once. */
export const loginLinkCommand: Command = {
  name: "login-link",
  summary: "print a link that signs you in once, within 10 minutes, as the administrator",
  options: [{ flags: "--user <name>", summary: "sign in as this user instead" }],
  async run(ctx) {
    const user = ctx.args["user"];
    const answer = (await ctx.call(
      "links.add",
      user === undefined ? {} : { user: String(user) },
    )) as unknown as LinkAnswer;
    if (ctx.json) ctx.printJson({ ...answer });
    else if (answer.url !== null) ctx.print(answer.url);
    else ctx.print(`No pages are served now; when they are, open them at ${answer.path}`);
    return 0;
  },
};
