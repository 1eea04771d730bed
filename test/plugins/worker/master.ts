// A small master in a process of its own: runs one line until it is ended.
import { join } from "node:path";
import { localWorker } from "@belfry/worker";
import type { CreateContext } from "belfry";
import { clock } from "./kit.ts";

const [, , folder = "", line = ""] = process.argv;
const ctx = { name: "local", clock, folder, stateFolder: join(folder, "state") } as CreateContext;
const worker = localWorker.definition.create({}, ctx);
await worker.start({ signal: new AbortController().signal, folder, changed() {}, note() {} });
const session = await worker.open({ id: 1, builder: "builder", slot: 0, fence: 1 });
await session.run({ command: line }, () => {}, { signal: new AbortController().signal, callId: "only" });
