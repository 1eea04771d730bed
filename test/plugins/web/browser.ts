import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";

/** Debian's Chromium, which `.ci/run` installs; nothing else is fetched. */
export const executable = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((path) =>
  existsSync(path),
);

export const missing = "skipped: there is no Chromium here; `apt-get install chromium` gets one";

export async function openBrowser(...args: string[]): Promise<Browser & AsyncDisposable> {
  return (await chromium.launch({ executablePath: executable as string, args: ["--no-sandbox", ...args] })) as Browser &
    AsyncDisposable;
}
