import { http } from "@belfry/http";
import { force } from "@belfry/schedulers";
import { sqlite } from "@belfry/sqlite";
import { shell } from "@belfry/steps";
import { web } from "@belfry/web";
import { localWorker } from "@belfry/worker";
import { defineConfig } from "belfry";
import { slowest } from "./slowest.ts";

export default defineConfig({
  database: sqlite(),
  access: { anonymous: "read" },
  services: [
    http({ port: Number(process.env.BELFRY_PORT ?? 8010) }),
    web({ title: "Slowest of all" }),
    slowest({ show: 2 }),
  ],
  workers: [localWorker({ name: "here" })],
  schedulers: [force({ name: "by hand", builders: ["naps"] })],
  builders: [
    {
      name: "naps",
      workers: ["here"],
      steps: [
        shell({ command: "sleep 0.1", name: "nap" }),
        shell({ command: "sleep 0.3", name: "long nap" }),
        shell({ command: "true", name: "wake" }),
      ],
    },
  ],
});
