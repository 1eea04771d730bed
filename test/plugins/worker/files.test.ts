import { execFileSync } from "node:child_process";
import { chmod, lstat, mkdir, readdir, readFile, readlink, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { limitedSuite, rejects, World } from "./kit.ts";

const test = limitedSuite("files of a session");
const bytes = (text: string) => Buffer.from(text);
const text = (data: Uint8Array) => Buffer.from(data).toString();

test("what is written can be read, and folders above it are made", async () => {
  await using world = await World.make();
  const session = await world.session();
  await session.writeFile("a/b/c.txt", bytes("hello"));
  assert.is(text(await session.readFile("a/b/c.txt")), "hello");
  await session.writeFile("a/b/c.txt", bytes(""));
  assert.is((await session.readFile("a/b/c.txt")).length, 0);
  assert.equal(await readdir(join(session.folder, "a/b")), ["c.txt"]);
});

test("paths may be absolute", async () => {
  await using world = await World.make();
  const session = await world.session();
  const path = join(world.folder, "outside", "file");
  await session.writeFile(path, bytes("x"));
  assert.is(text(await session.readFile(path)), "x");
  assert.is((await session.stat(path)).size, 1);
  await session.remove(join(world.folder, "outside"));
  assert.is((await rejects(session.stat(path))).code, "ENOENT");
});

test("a file is replaced at once: who reads meanwhile sees the old or the new one", async () => {
  await using world = await World.make();
  const session = await world.session();
  const big = (letter: string) => Buffer.alloc(2_000_000, letter);
  await session.writeFile("file", big("a"));
  let writing = true;
  const writer = (async () => {
    for (const letter of "bcdefgh") await session.writeFile("file", big(letter));
    writing = false;
  })();
  let looks = 0;
  while (writing || looks === 0) {
    const data = Buffer.from(await session.readFile("file"));
    assert.is(data.length, 2_000_000);
    assert.is(data[0], data[data.length - 1]);
    looks++;
  }
  await writer;
  assert.equal(await readdir(session.folder), ["file"]);
});

test("a write that fails leaves nothing behind", async () => {
  await using world = await World.make();
  const session = await world.session();
  await session.mkdir("folder/full");
  assert.is((await rejects(session.writeFile("folder", bytes("x")))).code, "EISDIR");
  assert.equal(await readdir(session.folder), ["folder"]);
});

test("a written file is executable if that is asked for", async () => {
  await using world = await World.make();
  const session = await world.session();
  await session.writeFile("plain", bytes("x"));
  await session.writeFile("tool", bytes("x"), { executable: true });
  assert.equal([(await session.stat("plain")).executable, (await session.stat("tool")).executable], [false, true]);
});

test("stat tells type, size and time, and does not follow links", async () => {
  await using world = await World.make();
  const session = await world.session();
  await session.writeFile("file", bytes("12345"));
  await symlink("nowhere", join(session.folder, "link"));
  execFileSync("mkfifo", [join(session.folder, "pipe")]);
  const file = await session.stat("file");
  assert.equal([file.type, file.size], ["file", 5]);
  assert.ok(Math.abs(file.modified - Date.now()) < 60_000);
  assert.is((await session.stat(".")).type, "folder");
  assert.is((await session.stat(".")).executable, false);
  assert.is((await session.stat("link")).type, "link");
  assert.is((await session.stat("pipe")).type, "other");
  assert.is((await rejects(session.stat("missing"))).code, "ENOENT");
});

test("a file that is too large is not read, also if it does not tell its size", async () => {
  await using world = await World.make();
  const session = await world.session();
  await session.writeFile("file", Buffer.alloc(1_001));
  assert.is((await session.readFile("file", { maxBytes: 1_001 })).length, 1_001);
  assert.is((await rejects(session.readFile("file", { maxBytes: 1_000 }))).code, "EFBIG");
  assert.is((await rejects(session.readFile("/dev/zero"))).code, "EFBIG");
  await session.writeFile("big", Buffer.alloc(16 * 1024 * 1024 + 1));
  assert.is((await rejects(session.readFile("big"))).code, "EFBIG");
  assert.ok(text(await session.readFile("/proc/self/status")).includes("VmRSS"));
});

test("what is not a file cannot be read, and does not hang", async () => {
  await using world = await World.make();
  const session = await world.session();
  execFileSync("mkfifo", [join(session.folder, "pipe")]);
  assert.is((await session.readFile("pipe")).length, 0);
  assert.is((await rejects(session.readFile("."))).code, "EISDIR");
  assert.is((await rejects(session.readFile("missing"))).code, "ENOENT");
});

test("mkdir makes what is missing and is harmless if nothing is", async () => {
  await using world = await World.make();
  const session = await world.session();
  await session.mkdir("a/b");
  await session.mkdir("a/b");
  assert.is((await session.stat("a/b")).type, "folder");
  await session.writeFile("file", bytes(""));
  assert.is((await rejects(session.mkdir("file/below"))).code, "ENOTDIR");
});

test("remove takes files and whole folders, and is harmless if there is nothing", async () => {
  await using world = await World.make();
  const session = await world.session();
  await session.writeFile("a/b/c", bytes(""));
  await session.writeFile("d", bytes(""));
  await session.remove("a");
  await session.remove("d");
  await session.remove("d");
  await session.remove("no/such/thing");
  assert.equal(await session.list("."), []);
});

test("removing a link leaves what it points to", async () => {
  await using world = await World.make();
  const session = await world.session();
  const outside = join(world.folder, "outside");
  await mkdir(outside);
  await writeFile(join(outside, "kept"), "");
  await symlink(outside, join(session.folder, "link"));
  await session.mkdir("folder");
  await symlink(outside, join(session.folder, "folder/link"));
  await session.remove("link");
  await session.remove("folder");
  assert.equal(await readdir(outside), ["kept"]);
  assert.equal(await session.list("."), []);
});

test("a path may not leave the folder through a link, nor by dots, to remove something", async () => {
  await using world = await World.make();
  const session = await world.session();
  const outside = join(world.folder, "outside");
  await mkdir(outside);
  await writeFile(join(outside, "kept"), "");
  await symlink(outside, join(session.folder, "link"));
  for (const path of ["link/kept", join(session.folder, "link/kept"), "../../../../outside", "..", "../..", "/"])
    assert.is((await rejects(session.remove(path))).code, "EACCES", path);
  assert.equal(await readdir(outside), ["kept"]);
});

test("removing the build's folder empties it", async () => {
  await using world = await World.make();
  const session = await world.session();
  await session.writeFile("a/b", bytes(""));
  await session.writeFile(".hidden", bytes(""));
  await session.remove(".");
  assert.equal(await readdir(session.folder), []);
});

test("folders without the right to write are removed, too", async () => {
  await using world = await World.make();
  const session = await world.session();
  await session.writeFile("cache/mod/file", bytes(""));
  await chmod(join(session.folder, "cache/mod"), 0o555);
  await chmod(join(session.folder, "cache"), 0o555);
  await session.remove("cache");
  assert.equal(await session.list("."), []);
});

test("copy takes files, folders and links as they are, and writes over what exists", async () => {
  await using world = await World.make();
  const session = await world.session();
  await session.writeFile("from/tool", bytes("new"), { executable: true });
  await session.writeFile("from/deep/file", bytes("x"));
  await symlink("tool", join(session.folder, "from/link"));
  await session.writeFile("to/tool", bytes("old"));
  await session.writeFile("to/other", bytes("kept"));
  await session.copy("from", "to");
  assert.is(text(await session.readFile("to/tool")), "new");
  assert.ok((await session.stat("to/tool")).executable);
  assert.is(text(await session.readFile("to/deep/file")), "x");
  assert.is(text(await session.readFile("to/other")), "kept");
  assert.is(await readlink(join(session.folder, "to/link")), "tool");
  await session.copy("from/tool", "some/where/else");
  assert.is(await readFile(join(session.folder, "some/where/else"), "utf8"), "new");
  assert.is((await rejects(session.copy("missing", "to"))).code, "ENOENT");
});

test("list tells names and types, in order", async () => {
  await using world = await World.make();
  const session = await world.session();
  await session.mkdir("b");
  await session.writeFile("a", bytes(""));
  await symlink("a", join(session.folder, "c"));
  assert.equal(await session.list("."), [
    { name: "a", type: "file" },
    { name: "b", type: "folder" },
    { name: "c", type: "link" },
  ]);
  assert.equal(await session.list("b"), []);
  assert.is((await rejects(session.list("a"))).code, "ENOTDIR");
  assert.ok((await lstat(session.folder)).isDirectory());
});

test.run();
