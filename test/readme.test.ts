// time limit: 300 s
import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { createPart, testBuild } from "@belfry/testkit";
import { Master, type PartFunction, type z } from "belfry";
import ts from "typescript";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { run, strangersEnv } from "./e2e/installed.ts";
import { packages, root } from "./tools/packages.ts";

const readmes = suite("what READMEs show");

interface Block {
  /** Path of the README and where the block begins, for messages. */
  place: string;
  code: string;
}

/** Every block of a language in every README that is published. */
async function blocks(language: string): Promise<Block[]> {
  const files = ["README.md", ...(await packages()).map(({ folder }) => `${folder}/README.md`)];
  const found = await Promise.all(
    files.map(async (file) => {
      const text = await readFile(join(root, file), "utf8");
      const matches = [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, "gm"))];
      return matches.map((match) => ({
        place: `${file}:${text.slice(0, match.index).split("\n").length}`,
        code: match[1] as string,
      }));
    }),
  );
  return found.flat();
}

/** A folder as a user has it, in which every package of the repository is installed. */
async function userFolder(): Promise<AsyncDisposable & { path: string }> {
  const path = await mkdtemp(join(tmpdir(), "belfry-readme-"));
  await writeFile(join(path, "package.json"), '{ "type": "module" }');
  await symlink(join(root, "node_modules"), join(path, "node_modules"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true, maxRetries: 3 }) };
}

const fileName = (place: string) => `${place.replace(/[^\w]+/g, "-")}.ts`;

async function load(folder: string, { place, code }: Block): Promise<Record<string, unknown>> {
  const file = join(folder, fileName(place));
  await writeFile(file, code);
  return import(pathToFileURL(file).href);
}

readmes("programs have the right types", async () => {
  await using folder = await userFolder();
  const found = await blocks("ts");
  assert.ok(found.length >= 12, `${found.length} blocks`);
  for (const { place, code } of found) await writeFile(join(folder.path, fileName(place)), code);
  const program = ts.createProgram(
    found.map(({ place }) => join(folder.path, fileName(place))),
    {
      target: ts.ScriptTarget.ES2024,
      lib: ["lib.es2024.d.ts", "lib.esnext.disposable.d.ts"],
      module: ts.ModuleKind.NodeNext,
      customConditions: ["source"],
      types: ["node"],
      strict: true,
      noEmit: true,
      skipLibCheck: true,
      allowImportingTsExtensions: true,
    },
  );
  const wrong = ts
    .getPreEmitDiagnostics(program)
    .filter(({ file }) => file?.fileName.startsWith(folder.path))
    .map(({ file, messageText }) => `${file?.fileName}: ${ts.flattenDiagnosticMessageText(messageText, "\n")}`);
  assert.equal(wrong, []);
});

readmes("configurations are accepted", async () => {
  await using folder = await userFolder();
  const configs = (await blocks("ts")).filter(({ code }) => /export default defineConfig/.test(code));
  assert.ok(configs.length >= 9, `${configs.length} configurations`);
  for (const config of configs) {
    const { default: value } = await load(folder.path, config);
    try {
      new Master(value, { folder: folder.path });
    } catch (error) {
      assert.unreachable(`${config.place}: ${error}`);
    }
  }
});

readmes("the README's configuration has about ten lines, comments and imports aside", async () => {
  const [first] = await blocks("ts");
  const lines = first?.code.split("\n").filter((line) => line.trim() !== "" && !line.startsWith("import"));
  assert.is(first?.place.startsWith("README.md"), true);
  assert.ok((lines?.length ?? 99) <= 10);
});

readmes("steps do what they say", async () => {
  await using folder = await userFolder();
  const definitions = (await blocks("ts")).filter(({ code }) => /= defineStep\(/.test(code));
  const part = async (readme: string, name: string) => {
    const defines = `const ${name} =`;
    const block = definitions.find(({ place, code }) => place.startsWith(`${readme}:`) && code.includes(defines));
    assert.ok(block, `${readme} defines no step`);
    return (await load(folder.path, block as Block))[name] as PartFunction<"step", z.ZodType>;
  };
  const sizeLimit = await part("README.md", "sizeLimit");
  await using one = await testBuild({ files: { "app.js": "x".repeat(12) } });
  assert.equal(await one.run(createPart(sizeLimit, { file: "app.js", maxBytes: 10 })), {
    result: "failure",
    summary: "app.js is 2 bytes over",
  });
  assert.equal(await one.run(createPart(sizeLimit, { file: "app.js", maxBytes: 12 })), {
    result: "success",
    summary: "app.js fits",
  });
  const greet = await part("core/README.md", "greet");
  await using two = await testBuild();
  assert.equal(await two.run(createPart(greet, { name: "you" })), { result: "success", summary: "greeted you" });
  assert.is(two.logs.get("greeting"), "Hello you\n");
});

readmes("tests pass", async () => {
  await using folder = await userFolder();
  const tests = (await blocks("ts")).filter(({ code }) => /from "node:test"/.test(code));
  assert.ok(tests.length >= 2, `${tests.length} tests`);
  for (const { place, code } of tests) {
    await writeFile(join(folder.path, "some.test.ts"), code);
    const { code: exit, all } = await run(process.execPath, ["--conditions=source", "--test", "some.test.ts"], {
      cwd: folder.path,
      env: strangersEnv({ NODE_TEST_CONTEXT: undefined }),
    });
    assert.is(exit, 0, `${place}: ${all}`);
    assert.match(all, /pass [1-9]/);
  }
});

/** The lines of a section's shell blocks, without comments. */
async function commandsOf(heading: string): Promise<string[]> {
  const text = await readFile(join(root, "README.md"), "utf8");
  const section = text.split(/^#{2,3} /m).find((part) => part.startsWith(`${heading}\n`)) ?? "";
  const shell = [...section.matchAll(/^```sh\n([\s\S]*?)^```/gm)].map(([, code]) => code as string).join("");
  return shell
    .split("\n")
    .map((line) => line.replace(/\s{2,}#.*$/, ""))
    .filter((line) => line !== "");
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A master in the background, once it has said that it runs. */
async function startMaster(cwd: string, env: NodeJS.ProcessEnv): Promise<AsyncDisposable> {
  const master: ChildProcess = spawn("npx", ["belfry", "start", "--plain"], {
    cwd,
    env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const gone = new Promise<void>((resolve) => master.once("close", () => resolve()));
  const stop = async () => {
    master.kill("SIGTERM");
    await gone;
  };
  let said = "";
  await new Promise<void>((resolve, reject) => {
    master.stdout?.on("data", (text) => {
      said += text;
      if (said.includes("Its log is")) resolve();
    });
    setTimeout(() => reject(new Error(`It did not start: ${said}`)), 60_000).unref();
    void gone.then(() => reject(new Error(`It ended: ${said}`)));
  }).catch(async (error: unknown) => {
    await stop();
    throw error;
  });
  return { [Symbol.asyncDispose]: stop };
}

readmes("the commands of the README work, one after the other", async () => {
  await using folder = await userFolder();
  // What `npm install` would put there: the program, run from its sources.
  const bin = join(folder.path, "bin");
  await mkdir(bin);
  const program = `exec ${process.execPath} --conditions=source ${join(root, "core/src/cli/run.ts")}`;
  await writeFile(join(bin, "npx"), `#!/bin/sh\nshift\n${program} "$@"\n`, { mode: 0o755 });
  const env = strangersEnv();
  env["PATH"] = `${bin}:${env["PATH"]}`;
  const port = String(await freePort());
  const sh = async (command: string) => {
    const { code, stdout, all } = await run("sh", ["-c", `set -e; ${command.replaceAll("8010", port)}`], {
      cwd: folder.path,
      env,
    });
    assert.is(code, 0, `${command}:\n${all}`);
    return stdout;
  };
  await sh("git init -q -b main && git -c user.name=a -c user.email=a@example.org commit -q --allow-empty -m first");

  const use = await commandsOf("Use it");
  const names = use.map((line) => /^npx belfry (\w+)/.exec(line)?.[1]);
  assert.equal(names, [
    undefined,
    "init",
    "check",
    "start",
    "watch",
    "builds",
    "log",
    "force",
    "why",
    "locks",
    "schedulers",
  ]);
  const line = (name: string) => use[names.indexOf(name)] as string;
  assert.match(use[0] as string, /^npm install belfry/);
  for (const name of use[0]?.split(" ").slice(2) ?? []) {
    assert.ok(
      (await packages()).some(({ manifest }) => manifest.name === name),
      name,
    );
  }
  await sh(line("init"));
  const config = join(folder.path, "belfry.config.ts");
  const tongues = {
    xmlrpc: "@belfry/xmlrpc",
    buildbotJson: "@belfry/buildbot-json",
    cctray: "@belfry/cctray",
    sse: "@belfry/sse",
  };
  const added = Object.entries(tongues).map(([name, from]) => `import { ${name} } from "${from}";\n`);
  const first = (await readFile(config, "utf8")).replaceAll("8010", port);
  const services = ["jsonrpc()", ...Object.keys(tongues).map((name) => `${name}()`)].join(", ");
  await writeFile(config, added.join("") + first.replace("jsonrpc()", services));
  await sh(line("check"));

  await using _master = await startMaster(folder.path, env);
  assert.match(await sh(line("force")), /success/);
  assert.match(await sh(line("builds")), /build.*\bsuccess\b/);
  assert.match(await sh(line("log")), /Hello from/);
  await sh(line("why"));
  await sh(line("locks"));
  assert.match(await sh(line("schedulers")), /force/);
  // It watches until it is told to end.
  await sh(`timeout 3 ${line("watch")} || [ $? = 124 ]`);

  const asked = await commandsOf("Ask it from a program");
  assert.is(asked.length, 4);
  for (const command of asked.slice(0, 2)) {
    assert.ok(command.startsWith("curl "));
    const answer = JSON.parse(await sh(`${command} -sS`));
    assert.is(answer.id, 1);
    assert.ok(answer.result, JSON.stringify(answer));
  }
  const answer = JSON.parse(await sh(`${asked[2]}; ${asked[3]} -sS`));
  assert.is(typeof answer.result?.buildset, "number", JSON.stringify(answer));

  const [python, json, cc, events, ...others] = await commandsOf("Ask it with the tools you have");
  assert.equal(others, []);
  // What the call before began may run still.
  await sh(line("force"));
  assert.match(await sh(python as string), /^\[\['build', 1, .*'success'/);
  assert.is(JSON.parse(await sh(json as string)).builds["-1"].builderName, "build");
  assert.match(await sh(cc as string), /<Project name="build"/);
  // It goes on until it is told to end.
  const told = sh(`timeout 15 ${events} || [ $? = 124 ]`);
  await sh(line("force"));
  assert.match(await told, /"type":"build\.finished"/);
});

readmes.run();
