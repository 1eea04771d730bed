import { join } from "node:path";
import { systemClock, type TestMaster, testMaster } from "@belfry/testkit";
import { httpUrl } from "../bench/http-url.ts";
import { demoConfig } from "./config.ts";
import { NOW } from "./history.ts";
import { writeHistory } from "./write.ts";

export interface Demo extends AsyncDisposable {
  kit: TestMaster;
  url: string;
}

/** The demo farm, served without an engine: what its clock says is always the same, and nothing moves. */
export async function openDemo(port = 0): Promise<Demo> {
  const kit = await testMaster({
    config: demoConfig(port),
    engine: false,
    clock: { ...systemClock, now: () => NOW },
  });
  try {
    await writeHistory(kit.master.store, join(kit.folder, ".belfry", "logs"));
  } catch (error) {
    await kit.close();
    throw error;
  }
  return { kit, url: httpUrl(kit.master), [Symbol.asyncDispose]: () => kit.close() };
}
