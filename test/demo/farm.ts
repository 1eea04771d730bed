/** The machines, people and builders of a farm that builds a graphics library, its Python binding and its site. */

export interface Machine {
  name: string;
  slots: number;
  info: Record<string, string>;
  away?: boolean;
  paused?: { reason: string; by: string };
}

export const MACHINES: readonly Machine[] = [
  {
    name: "bigmem-1",
    slots: 4,
    info: { system: "Debian 13, x86-64", cores: "64", memory: "256 GB", note: "EPYC 7713" },
  },
  {
    name: "bigmem-2",
    slots: 4,
    info: { system: "Debian 13, x86-64", cores: "64", memory: "256 GB", note: "EPYC 7713" },
  },
  {
    name: "attic-pi",
    slots: 2,
    info: { system: "Raspberry Pi OS, arm64", cores: "4", memory: "8 GB", note: "in the attic, behind the boiler" },
  },
  { name: "ampere", slots: 3, info: { system: "Ubuntu 24.04, arm64", cores: "80", memory: "128 GB" } },
  {
    name: "starfive",
    slots: 1,
    info: { system: "Debian sid, riscv64", cores: "4", memory: "8 GB", note: "VisionFive 2" },
    away: true,
  },
  {
    name: "zguest",
    slots: 2,
    info: { system: "SLES 15, s390x", cores: "4", memory: "16 GB", note: "guest of a friendly mainframe" },
  },
  { name: "macmini-m2", slots: 2, info: { system: "macOS 15.4, arm64", cores: "8", memory: "16 GB" } },
  {
    name: "oldmac",
    slots: 1,
    info: { system: "macOS 12.7, x86-64", cores: "4", memory: "16 GB", note: "a 2015 MacBook with a swollen battery" },
  },
  { name: "winlab-1", slots: 2, info: { system: "Windows 11 24H2", cores: "16", memory: "32 GB" } },
  {
    name: "winlab-2",
    slots: 2,
    info: { system: "Windows Server 2022", cores: "16", memory: "64 GB" },
    paused: { reason: "its disk is being replaced, back on Friday", by: "Miriam" },
  },
  { name: "nas-jail", slots: 1, info: { system: "FreeBSD 14.2, x86-64", cores: "8", memory: "32 GB" } },
  {
    name: "thinkpad",
    slots: 1,
    info: { system: "OpenBSD 7.7, x86-64", cores: "4", memory: "16 GB", note: "X220, lid closed" },
  },
];

export interface Person {
  name: string;
  mail: string;
  /** How often, against the others. */
  weight: number;
}

export const PEOPLE: readonly Person[] = [
  { name: "Ada Lindqvist", mail: "ada@lumen.example", weight: 6 },
  { name: "Jun Watanabe", mail: "jun@lumen.example", weight: 5 },
  { name: "Priya Raman", mail: "priya@lumen.example", weight: 5 },
  { name: "Tomás Herrera", mail: "tomas@lumen.example", weight: 4 },
  { name: "Miriam Okafor", mail: "miriam@lumen.example", weight: 3 },
  { name: "Sven Brandt", mail: "sven.brandt@contoso.example", weight: 2 },
  { name: "Zoë Laurent", mail: "zoe@lumen.example", weight: 2 },
  { name: "נועה כהן", mail: "noa@lumen.example", weight: 1 },
];

export type Family = "unix" | "windows" | "mac" | "python" | "site";

export interface DemoBuilder {
  name: string;
  project: "lumen" | "lumen-py" | "site";
  tags: string[];
  description: string;
  workers: string[];
  family: Family;
  /** Of a usual build. */
  minutes: number;
  /** Which changes it builds. */
  when: "push" | "topic" | "nightly" | "site";
  /** What fails by chance, of a hundred builds. */
  flaky?: number;
  warns?: boolean;
  compiler: string;
}

const big = ["bigmem-1", "bigmem-2"];
const win = ["winlab-1", "winlab-2"];

function builder(
  name: string,
  description: string,
  workers: string[],
  minutes: number,
  compiler: string,
  more: Partial<DemoBuilder> & { tags: string[] },
): DemoBuilder {
  return { name, project: "lumen", description, workers, minutes, compiler, family: "unix", when: "push", ...more };
}

export const BUILDERS: readonly DemoBuilder[] = [
  builder("linux-gcc", "GCC 14, the one that must be green", big, 7, "g++", {
    tags: ["linux", "tier-1"],
    when: "topic",
  }),
  builder("linux-clang", "Clang 19 with libc++", big, 8, "clang++", {
    tags: ["linux", "tier-1"],
    when: "topic",
    warns: true,
  }),
  builder("linux-asan", "Address and undefined-behaviour sanitizers", big, 14, "clang++", {
    tags: ["linux", "sanitizer"],
    when: "topic",
  }),
  builder("linux-tsan", "Thread sanitizer", big, 19, "clang++", { tags: ["linux", "sanitizer"], flaky: 9 }),
  builder("linux-i386", "32 bits, for as long as somebody needs it", big, 9, "g++", { tags: ["linux", "tier-2"] }),
  builder("linux-arm64", "On the Ampere, sometimes on a Raspberry Pi", ["ampere", "attic-pi"], 12, "g++", {
    tags: ["linux", "arm", "tier-1"],
    flaky: 3,
  }),
  builder("linux-armhf", "Raspberry Pi, 32 bits", ["attic-pi"], 31, "g++", {
    tags: ["linux", "arm", "tier-2"],
    flaky: 6,
  }),
  builder("linux-riscv64", "VisionFive 2, slow but honest", ["starfive"], 96, "g++", {
    tags: ["linux", "tier-3"],
    when: "nightly",
  }),
  builder("linux-s390x", "Big endian", ["zguest"], 16, "g++", { tags: ["linux", "tier-3"] }),
  builder("alpine-musl", "musl libc", big, 8, "g++", { tags: ["linux", "tier-2"] }),
  builder("fedora-rawhide", "What comes next", big, 9, "g++", { tags: ["linux", "tier-3"], warns: true, flaky: 4 }),
  builder("freebsd", "FreeBSD 14", ["nas-jail"], 11, "c++", { tags: ["bsd", "tier-2"] }),
  builder("openbsd", "OpenBSD on a laptop", ["thinkpad"], 24, "c++", { tags: ["bsd", "tier-3"], flaky: 3 }),
  builder("macos-arm64", "Apple silicon", ["macmini-m2"], 9, "clang++", {
    tags: ["mac", "tier-1"],
    family: "mac",
    when: "topic",
  }),
  builder("macos-x86_64", "Intel, until the laptop gives up", ["oldmac"], 21, "clang++", {
    tags: ["mac", "tier-2"],
    family: "mac",
    flaky: 5,
  }),
  builder("windows-msvc", "Visual Studio 2022", win, 13, "cl.exe", {
    tags: ["windows", "tier-1"],
    family: "windows",
    when: "topic",
  }),
  builder("windows-clang-cl", "clang-cl, for the debugger", win, 12, "clang-cl.exe", {
    tags: ["windows", "tier-2"],
    family: "windows",
  }),
  builder("windows-mingw", "MinGW-w64", win, 15, "g++.exe", {
    tags: ["windows", "tier-3"],
    family: "windows",
    warns: true,
  }),
  builder("static-analysis", "clang-tidy and cppcheck", big, 17, "clang-tidy", { tags: ["lint"], warns: true }),
  builder("fuzz", "Four hours of libFuzzer in ten pieces", big, 41, "clang++", {
    tags: ["nightly", "sanitizer"],
    when: "nightly",
    flaky: 12,
  }),
  builder("coverage", "llvm-cov, published each night", big, 22, "clang++", { tags: ["nightly"], when: "nightly" }),
  builder("bench", "Compared with the night before", ["bigmem-2"], 34, "g++", {
    tags: ["nightly"],
    when: "nightly",
    flaky: 4,
  }),
  builder("py3.12", "CPython 3.12", big, 4, "g++", {
    project: "lumen-py",
    tags: ["python", "tier-1"],
    family: "python",
  }),
  builder("py3.13", "CPython 3.13", big, 4, "g++", {
    project: "lumen-py",
    tags: ["python", "tier-1"],
    family: "python",
  }),
  builder("py3.14-freethreaded", "Without the lock", big, 5, "g++", {
    project: "lumen-py",
    tags: ["python", "tier-3"],
    family: "python",
    flaky: 14,
  }),
  builder("pypy", "PyPy 3.11", big, 6, "g++", { project: "lumen-py", tags: ["python", "tier-2"], family: "python" }),
  builder("wheels-linux", "manylinux_2_28, x86-64 and arm64", big, 12, "g++", {
    project: "lumen-py",
    tags: ["python", "release"],
    family: "python",
    when: "nightly",
  }),
  builder("wheels-windows", "Wheels for Windows", ["winlab-1"], 14, "cl.exe", {
    project: "lumen-py",
    tags: ["python", "release", "windows"],
    family: "windows",
    when: "nightly",
  }),
  builder("docs", "The manual, with all links checked", big, 3, "sphinx-build", {
    project: "site",
    tags: ["docs"],
    family: "site",
    when: "site",
  }),
  builder("site/deploy", "lumen.example, from main", ["bigmem-1"], 2, "hugo", {
    project: "site",
    tags: ["docs", "release"],
    family: "site",
    when: "site",
  }),
];

export const REPOSITORY = "https://git.lumen.example/lumen.git";

export const SUBJECTS: readonly string[] = [
  "tiles: keep the cache between frames",
  "codec: read EXIF orientation before scaling",
  "Fix a leak when a decoder is dropped half-way",
  "text: shape right-to-left runs as a whole",
  "Vectorise the box blur for AVX2",
  "raster: clamp coordinates before the division",
  "build: ask CMake for threads only once",
  "Add `lm_surface_clone`, with tests",
  "png: refuse chunks longer than the file",
  "Make the scheduler fair to small jobs",
  "webp: update libwebp to 1.5.0",
  "path: flatten cubic curves with fewer points",
  "Remove a lock that nobody needed",
  "colour: use the right white point for P3",
  "tests: run the golden images in parallel",
  "Guard against an empty palette (fixes #1377)",
  "font: cache glyphs by size class",
  "svg: support `paint-order`",
  "Rename `lm_ctx` to `lm_context` at last",
  "docs: how to build on Windows without tears",
  "heif: use the system decoder on macOS",
  "python: release the GIL while decoding",
  "python: type stubs for the new surface API",
  "Speed up gradients with a lookup table",
  "raster: anti-alias thin lines properly",
  "Do not follow symbolic links in the asset loader",
  "jpeg: keep the ICC profile through a round trip",
  "gpu: wait for the fence before reading back",
  "memory: round allocations up to a page",
  "Mend the build with -Werror on GCC 14",
  "cli: `lumen convert --stdin`",
  "Backport: clamp coordinates before the division",
];
export const FILES: readonly string[] = [
  "src/raster/scanline.cpp",
  "src/raster/path.cpp",
  "src/codec/png.cpp",
  "src/codec/webp.cpp",
  "src/codec/jpeg.cpp",
  "src/text/shape.cpp",
  "src/tile/cache.cpp",
  "src/tile/cache.h",
  "src/core/scheduler.cpp",
  "src/gpu/fence.cpp",
  "include/lumen/surface.h",
  "tests/codec_test.cpp",
  "tests/raster_test.cpp",
  "CMakeLists.txt",
  "cmake/Threads.cmake",
];
