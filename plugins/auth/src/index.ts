import { definePlugin, defineService } from "belfry";
import { loginLinkCommand } from "./commands/login-link.ts";
import { AUTH_OPTIONS, mayCommand } from "./commands/may.ts";
import { passwordCommand } from "./commands/password.ts";
import { sessionMethods } from "./methods.ts";
import { authOptions } from "./options.ts";
import { ownTokenMethods } from "./own-tokens.ts";
import { AuthService } from "./service.ts";

/** Lets people sign in, and says who may do what. */
export const auth = defineService({
  kind: "server",
  options: authOptions,
  create: (options, ctx) => {
    ctx.container.register(AUTH_OPTIONS, { useValue: { options } });
    return new AuthService(options, ctx);
  },
});

export default definePlugin({
  name: "@belfry/auth",
  version: "0.1.0",
  parts: [auth],
  register(host) {
    for (const command of [loginLinkCommand, mayCommand(host.container), passwordCommand()]) host.commands.add(command);
    for (const method of [...sessionMethods(host), ...ownTokenMethods(host)]) host.methods.add(method);
  },
});
