import type { DemoBuilder } from "./farm.ts";
import { FILES, REPOSITORY } from "./farm.ts";
import type { Random } from "./random.ts";

/** What went wrong in a build, if anything did. */
export type Trouble = "compile" | "test" | "warnings" | "exception" | "links" | undefined;

export const BROKEN_TESTS = ["codec.roundtrip_icc_profile", "codec.roundtrip_16bit"];
export const FLAKY_TESTS = [
  "scheduler.stress_many_small_jobs",
  "gpu.fence_readback",
  "tile_cache.evicts_under_pressure",
];
const SUITES = ["codec", "raster", "path", "text", "tile_cache", "scheduler", "gpu", "colour", "memory"];
const CASES = ["empty", "single", "many", "round_trip", "limits", "nested", "unicode", "reuse", "golden", "threads"];

const C = { red: "\u001b[31m", green: "\u001b[32m", yellow: "\u001b[33m", bold: "\u001b[1m", off: "\u001b[0m" };

export function checkoutLog(revision: string, branch: string): string {
  return [
    `$ git fetch --no-tags ${REPOSITORY} ${branch}`,
    "remote: Enumerating objects: 214, done.",
    "remote: Counting objects: 100% (214/214), done.",
    "Receiving objects: 100% (131/131), 48.20 KiB | 4.02 MiB/s, done.",
    `From ${REPOSITORY}`,
    ` * branch            ${branch.padEnd(18)} -> FETCH_HEAD`,
    `HEAD is now at ${revision.slice(0, 10)}`,
    "",
  ].join("\n");
}

export function configureLog({ compiler, family }: DemoBuilder): string {
  return [
    `-- The CXX compiler identification is ${family === "windows" ? "MSVC 19.43.34809.0" : "GNU 14.2.0"}`,
    `-- Check for working CXX compiler: ${compiler} - works`,
    "-- Found ZLIB: 1.3.1",
    "-- Found PNG: 1.6.44",
    "-- Found WebP: 1.5.0",
    "-- Performing Test HAVE_AVX2 - Success",
    "-- Configuring done (6.2s)",
    "-- Generating done (0.4s)",
    "",
  ].join("\n");
}

export function compileLog(builder: DemoBuilder, trouble: Trouble, random: Random, until = 1): string {
  const sources = FILES.filter((file) => file.endsWith(".cpp"));
  const steps = 148;
  const lines: string[] = [];
  const end = Math.floor(steps * until);
  for (let i = 1; i <= end; i++) {
    const file = sources[i % sources.length] ?? "src/a.cpp";
    lines.push(`[${i}/${steps}] ${builder.compiler} -c ${file.replace(".cpp", `_${i}.cpp`)}`);
    if (builder.warns && i % 23 === 0)
      lines.push(
        `${C.bold}${file}:${random.whole(40, 900)}:17: ${C.yellow}warning:${C.off} 'lm_ctx' is deprecated: use lm_context [-Wdeprecated-declarations]`,
        "   lm_ctx *ctx = lm_open(path);",
        `   ${C.green}^~~~~~${C.off}`,
      );
    if (trouble === "compile" && i === 97) {
      if (builder.family === "windows")
        lines.push(
          "src\\tile\\cache.cpp(214): error C2065: 'ssize_t': undeclared identifier",
          "src\\tile\\cache.cpp(214): error C2146: syntax error: missing ';' before identifier 'left'",
          "src\\tile\\cache.cpp(221): error C3861: 'posix_memalign': identifier not found",
        );
      else
        lines.push(
          `${C.bold}src/raster/scanline.cpp:388:22: ${C.red}error:${C.off} no member named 'clamp' in namespace 'std'`,
          "     const int x = std::clamp(left, 0, width);",
          `                   ${C.green}~~~~~^${C.off}`,
        );
      lines.push(`${C.red}FAILED:${C.off} [97/${steps}]`, "ninja: build stopped: subcommand failed.");
      break;
    }
  }
  return `${lines.join("\n")}\n`;
}

export function testLog(failing: readonly string[], total: number, until = 1): string {
  const lines: string[] = [`1..${total}`];
  const end = Math.floor(total * until);
  for (let i = 1; i <= end; i++) {
    const name = `${SUITES[i % SUITES.length]}.${CASES[(i * 7) % CASES.length]}_${i}`;
    lines.push(`${C.green}ok${C.off} ${i} - ${name}`);
  }
  for (const name of failing)
    lines.push(
      `${C.red}not ok${C.off} - ${name}`,
      "#   tests/codec_test.cpp:211: Failure",
      "#   Expected equality of these values:",
      "#     after.profile().size()   which is: 0",
      "#     before.profile().size()  which is: 3144",
      `# error: ${name}: the profile is gone after a round trip`,
    );
  if (until === 1) lines.push(`# tests ${total}`, `# pass ${total - failing.length}`, `# fail ${failing.length}`);
  return `${lines.join("\n")}\n`;
}

export function siteLog(trouble: Trouble): string {
  const pages = Array.from(
    { length: 60 },
    (_, i) => `reading sources... [${String(Math.round(((i + 1) / 60) * 100)).padStart(3)}%] guide/chapter-${i + 1}`,
  );
  const bad =
    trouble === "links"
      ? ["guide/chapter-12.rst:84: WARNING: broken link: https://old.lumen.example/tiles (404)", "error: 1 broken link"]
      : ["build succeeded."];
  return `${[...pages, ...bad].join("\n")}\n`;
}
