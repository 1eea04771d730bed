import { definePlugin, defineService } from "belfry";
import { sessionMethods } from "./methods.ts";
import { authOptions } from "./options.ts";
import { AuthService } from "./service.ts";

/** Lets people sign in, and says who may do what. */
export const auth = defineService({
  kind: "server",
  options: authOptions,
  create: (options, ctx) => new AuthService(options, ctx),
});

export default definePlugin({
  name: "@belfry/auth",
  version: "0.1.0",
  parts: [auth],
  register(host) {
    for (const method of sessionMethods(host)) host.methods.add(method);
  },
});
