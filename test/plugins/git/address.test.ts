import plugin, { gitCheckout, gitPoller } from "@belfry/git";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { refFilter } from "../../../plugins/git/src/ref-filter.ts";
import { isRefName } from "../../../plugins/git/src/ref-name.ts";
import { maskText, parseAddress } from "../../../plugins/git/src/repository-address.ts";
import { create } from "./world.ts";

const test = suite("git addresses and options");

test("addresses of every usual form are understood, and keep no password", () => {
  const cases: [string, string, string][] = [
    [".", "/conf", "local"],
    ["../x", "/x", "local"],
    ["/a b/ü", "/a b/ü", "local"],
    ["./host:path", "/conf/host:path", "local"],
    ["file:///x", "file:///x", "local"],
    ["HTTPS://host:8443/x.git", "https://host:8443/x.git", "http"],
    ["http://[::1]:80/x", "http://[::1]:80/x", "http"],
    ["https://u:p@host/x", "https://host/x", "http"],
    ["https://u:p@q@host/x", "https://host/x", "http"],
    ["https://token@host/x", "https://host/x", "http"],
    ["https://exämple.org/x", "https://exämple.org/x", "http"],
    ["ssh://git@host:22/x", "ssh://git@host:22/x", "ssh"],
    ["git@github.com:a/b.git", "git@github.com:a/b.git", "ssh"],
    ["host:b.git", "host:b.git", "ssh"],
    ["git://host/x", "git://host/x", "git"],
  ];
  for (const [text, url, kind] of cases) {
    const address = parseAddress(text, "/conf");
    assert.equal([address.url, address.kind], [url, kind], text);
  }
  assert.equal(parseAddress("https://u%40x:p%3Aq@host/x", "/").credentials, {
    scope: "https://host",
    username: "u@x",
    password: "p:q",
  });
});

test("addresses that could mean something else to git are refused, without being repeated", () => {
  const cases = [
    "",
    "-x",
    "--upload-pack=touch x",
    "ext::sh -c touch% x",
    "fd::17",
    "ftp://h/x",
    "javascript://x",
    "ssh://-oProxyCommand=x/y",
    "ssh://u:hunter2@h/x",
    "git://u:hunter2@h/x",
    "u:hunter2@h:x",
    "-o@h:x",
    "ssh://-u@h/x",
    "https:///x",
    "https://a b/x",
    "https://u%0a:hunter2@h/x",
    "a\0b",
    "a\nb",
    "file://u:hunter2@/x",
    "x".repeat(3_000),
  ];
  for (const text of cases) {
    let error: { code?: string; message?: string } = {};
    try {
      parseAddress(text, "/");
    } catch (thrown) {
      error = thrown as never;
    }
    assert.is(error.code, "BELFRY_GIT_REPOSITORY_INVALID", text.slice(0, 50));
    assert.not.match(error.message ?? "", "hunter2");
    assert.throws(() => create(gitPoller, { repository: text }, "/"));
    assert.throws(() => create(gitCheckout, { repository: text }, "/"));
  }
});

test("what git says is shown without passwords and without what a terminal would obey", () => {
  const address = parseAddress("https://u:p%40ss@host/x", "/");
  assert.is(
    maskText("fatal: https://a:b@host/x p@ss p%40ss \u001b[2J\u0007", address),
    "fatal: https://***@host/x *** ***  [2J ",
  );
});

test("patterns choose branches: a star stops at slashes, and ! takes away", () => {
  const cases: [true | string[], string[], string[]][] = [
    [true, ["main", "a/b/c", ".x"], []],
    [["main"], ["main"], ["Main", "main2", "x/main"]],
    [["release/*"], ["release/1", "release/.x"], ["release", "release/1/2"]],
    [["release/**"], ["release/1", "release/1/2"], ["other"]],
    [["**", "!wip/*"], ["main", "a/b"], ["wip/x"]],
    [["!wip/**"], ["main", "a/b"], ["wip/x", "wip/x/y"]],
    [["{main,v[0-9]}"], ["main", "v1"], ["vx", "main,v1"]],
    [
      ["a+b", "c?"],
      ["a+b", "cx"],
      ["aab", "c"],
    ],
  ];
  for (const [patterns, yes, no] of cases) {
    const matches = refFilter(patterns);
    for (const name of yes) assert.ok(matches(name), `${patterns} takes ${name}`);
    for (const name of no) assert.not.ok(matches(name), `${patterns} leaves ${name}`);
  }
});

test("names that git could not have are known without asking it", () => {
  for (const name of ["main", "a/b", "ü", "a-b", "v1.0", "refs/pull/1/head", "x@y", "$(x)"])
    assert.ok(isRefName(name), name);
  for (const name of [
    "",
    "-x",
    "--upload-pack=x",
    "a b",
    "a..b",
    "a~1",
    "a^",
    "a:b",
    "a?",
    "a*",
    "[",
    "a\\b",
    "a\nb",
    "a//b",
    "/a",
    "a/",
    "a.",
    ".a",
    "a/.b",
    "a.lock",
    "a.lock/b",
    "@",
    "a@{1}",
    "x".repeat(600),
  ])
    assert.not.ok(isRefName(name), name);
});

test("options of the wrong kind are refused, each where it is", () => {
  const poller = (options: object) => gitPoller.definition.options.safeParse({ repository: ".", ...options });
  const checkout = (options: object) => gitCheckout.definition.options.safeParse(options);
  assert.ok(poller({}).success && checkout({}).success);
  assert.is(poller({ pollInterval: "2s" }).data?.pollInterval, 2_000);
  assert.is(poller({}).data?.pollInterval, 60_000);
  for (const options of [
    { pollInterval: 0 },
    { branches: [] },
    { branches: "main" },
    { branches: ["x".repeat(201)] },
    { branches: ["*a*a*a*"] },
    { branches: ["(a+)+b"] },
    { branches: ["!"] },
    { branches: false },
    { fileLimit: -1 },
    { changeLimit: 0 },
    { repository: 1 },
    { polInterval: 1 },
  ])
    assert.not.ok(poller(options).success, JSON.stringify(options));
  for (const options of [
    { mode: "quick" },
    { clean: true },
    { depth: 0 },
    { path: "../x" },
    { path: "/x" },
    { path: "a/../b" },
    { path: ".git" },
    { path: "-x" },
    { path: "a\\b" },
    { retries: -1 },
    { timeout: 0 },
    { branch: 1 },
    { cleann: "none" },
  ])
    assert.not.ok(checkout(options).success, JSON.stringify(options));
});

test("the plugin offers both parts under its name", () => {
  assert.is(plugin.name, "@belfry/git");
  assert.is(gitPoller({ repository: "." }).kind, "@belfry/git/poller");
  assert.is(gitCheckout().kind, "@belfry/git/checkout");
});

test.run();
