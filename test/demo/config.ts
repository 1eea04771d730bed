import { gitCheckout, gitPoller } from "@belfry/git";
import { http } from "@belfry/http";
import { anyBranch, dependent, force, nightly, singleBranch } from "@belfry/schedulers";
import { compile, shell, test } from "@belfry/steps";
import { web } from "@belfry/web";
import { localWorker } from "@belfry/worker";
import type { Config } from "belfry";
import { BUILDERS, type DemoBuilder, MACHINES, REPOSITORY } from "./farm.ts";

const names = (when: readonly string[], project?: string) =>
  BUILDERS.filter((one) => when.includes(one.when) && (project === undefined || one.project === project)).map(
    ({ name }) => name,
  );

function stepsOf({ family }: DemoBuilder) {
  const checkout = gitCheckout({ repository: REPOSITORY });
  if (family === "site") return [checkout, shell({ name: "build", command: "make site" })];
  return [
    checkout,
    shell({ name: "configure", command: "cmake -S . -B out -G Ninja" }),
    compile({ name: "compile", command: "ninja -C out" }),
    test({ name: "test", command: "out/tests --tap" }),
  ];
}

/** The farm's configuration, as its people would have written it. Nothing of it is ever run. */
export function demoConfig(port: number): Omit<Config, "database"> {
  return {
    title: "Lumen",
    access: { anonymous: "read" },
    services: [http({ port }), web()],
    workers: MACHINES.map(({ name, slots }) => localWorker({ name, slots })),
    sources: [
      gitPoller({ name: "lumen", repository: REPOSITORY, branches: true, project: "lumen" }),
      gitPoller({ name: "contoso mirror", repository: "https://mirror.contoso.example/lumen.git", project: "lumen" }),
    ],
    schedulers: [
      singleBranch({
        name: "push",
        branch: "main",
        builders: names(["push", "topic"], "lumen"),
        treeStableTimer: "1m",
      }),
      singleBranch({ name: "release", branch: "release/3.2", builders: names(["push", "topic"], "lumen") }),
      anyBranch({ name: "topics", branches: ["topic/*"], builders: names(["topic"]) }),
      dependent({ name: "python", upstream: "push", builders: names(["push"], "lumen-py") }),
      singleBranch({ name: "site", branch: "main", builders: names(["site"]) }),
      nightly({ name: "nightly", at: "0 2 * * *", timeZone: "UTC", branch: "main", builders: names(["nightly"]) }),
      force({
        name: "by hand",
        builders: BUILDERS.map(({ name }) => name),
        parameters: [
          { type: "choice", name: "variant", label: "Variant", choices: ["release", "debug"], default: "release" },
          { type: "string", name: "only", label: "Only tests that match", default: "" },
          { type: "boolean", name: "verbose", label: "Say more" },
        ],
      }),
    ],
    builders: BUILDERS.map((builder) => ({
      name: builder.name,
      project: builder.project,
      tags: builder.tags,
      description: builder.description,
      workers: builder.workers,
      steps: stepsOf(builder),
    })),
  };
}
