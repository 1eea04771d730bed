import { type Command, type CommandContext, type DependencyContainer, type InjectionToken, z } from "belfry";
import { decide } from "../decision.ts";
import { faults } from "../errors.ts";
import { ADMINISTRATOR, type AuthOptions } from "../options.ts";
import type { Person } from "../rules.ts";

/** The options of the `auth()` that the configuration has, for commands. */
export const AUTH_OPTIONS = Symbol("belfry.auth.options") as InjectionToken<{ options: AuthOptions }>;

const textList = z.array(z.string());

/** `belfry may`: tries the rules of the configuration, whether a master runs or not. */
export function mayCommand(container: DependencyContainer): Command {
  return {
    name: "may",
    summary: "tell whether somebody may call a method, and which rule says so: 0 for yes, 1 for no",
    arguments: [
      { name: "<user>", summary: 'whom to ask about; "anonymous" for who has not signed in' },
      { name: "<method>", summary: "such as builds.stop" },
      { name: "[builder]", summary: "what it is about; default: anything" },
    ],
    options: [{ flags: "--group <group...>", summary: "groups that he is in, besides those in the configuration" }],
    async run(ctx) {
      const { access } = ctx;
      if (access === undefined || !container.isRegistered(AUTH_OPTIONS)) throw faults.notConfigured();
      const { rules, users } = container.resolve(AUTH_OPTIONS).options;
      const { user, method: name, builder } = ctx.args as Record<string, string | undefined>;
      const method = access.methods.find((one) => one.name === name);
      if (method === undefined) throw faults.methodUnknown(String(name));
      const subject = access.builders.find((one) => one.builder === builder);
      if (builder !== undefined && subject === undefined) throw faults.builderUnknown(builder);
      const person = personOf(ctx, String(user), users);
      const decision =
        person?.name === ADMINISTRATOR
          ? { may: true, why: "a link of the administrator's gives everything", rule: null }
          : decide({ rules, person, permission: method.permission, subject, access });
      if (ctx.json)
        ctx.printJson({
          user: person?.name ?? "anonymous",
          method: method.name,
          builder: builder ?? null,
          ...decision,
        });
      else ctx.print(`${decision.may ? "yes" : "no"}: ${decision.why}`);
      return decision.may ? 0 : 1;
    },
  };
}

function personOf(ctx: CommandContext, name: string, users: AuthOptions["users"]): Person | undefined {
  if (name === "anonymous") return undefined;
  const given = textList.catch([]).parse(ctx.args["group"]);
  const known = users.find((user) => user.name === name);
  return { name, groups: [...(known?.groups ?? []), ...given] };
}
