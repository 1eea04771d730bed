import { renders, z } from "belfry";
import { faults } from "./errors.ts";
import type { RepositoryAddress } from "./repository-address.ts";

const secretText = renders(
  z
    .string()
    .min(1)
    .max(64 * 1024),
);

/** Options of whatever talks to a repository that wants to know who it is. */
export const loginOptions = {
  username: renders(z.string().min(1).max(500)).optional().describe("for http and https; default: git"),
  password: secretText.optional().describe("password or token for http and https; best a secret"),
  sshPrivateKey: secretText.optional().describe("key without a passphrase, in OpenSSH's or PEM form; best a secret"),
  sshKnownHosts: renders(z.string().max(1024 * 1024))
    .optional()
    .describe("lines of a known_hosts file; no other host key is trusted then"),
};

/** Those options, computed. */
export interface LoginWords {
  username?: string | undefined;
  password?: string | undefined;
  sshPrivateKey?: string | undefined;
  sshKnownHosts?: string | undefined;
}

export interface LoginFile {
  name: string;
  text: string;
}

const CONTROL = /\p{Cc}/u;

/**
 * What git needs to log in, as files that nobody else can read and that are there only while git runs:
 * neither arguments nor the environment nor git's configuration hold a secret.
 */
export class Login {
  /** Has user and password, so that messages can be masked. */
  readonly address: RepositoryAddress;
  readonly #scopes: readonly string[];
  readonly #words: LoginWords;

  /**
   * `scopes` such as `https://host` are given the password besides the address's own. Throws
   * `BELFRY_GIT_LOGIN_INVALID` for what cannot be used, without repeating it.
   */
  constructor(address: RepositoryAddress, words: LoginWords, scopes: readonly string[] = []) {
    this.#words = words;
    this.address = withCredentials(address, words);
    const own = this.address.credentials ? [this.address.credentials.scope] : [];
    this.#scopes = [...new Set([...own, ...(this.address.credentials ? scopes : [])])];
    const key = words.sshPrivateKey;
    if (key !== undefined && !/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(key))
      throw faults.loginInvalid("The `sshPrivateKey` is no private key: it has no line BEGIN … PRIVATE KEY.");
  }

  /** The files, to be made in `folder`, an absolute path. */
  files(folder: string): LoginFile[] {
    const files: LoginFile[] = [];
    const { credentials } = this.address;
    if (credentials) {
      const { username, password } = credentials;
      const lines = password === undefined ? [] : ["[credential]", "\thelper ="];
      for (const scope of this.#scopes) {
        lines.push(`[credential ${quoteConfig(scope)}]`, `\tusername = ${quoteConfig(username)}`);
        if (password !== undefined) lines.push(`\thelper = ${quoteConfig(helper(`${folder}/credential`))}`);
      }
      files.push({ name: "config", text: `${lines.join("\n")}\n` });
      if (password !== undefined)
        files.push({ name: "credential", text: `username=${username}\npassword=${password}\n` });
    }
    const { sshPrivateKey, sshKnownHosts } = this.#words;
    if (sshPrivateKey !== undefined) files.push({ name: "key", text: wholeLines(sshPrivateKey) });
    if (sshKnownHosts !== undefined) files.push({ name: "known_hosts", text: wholeLines(sshKnownHosts) });
    return files;
  }

  /** Options of git itself, for files in `folder`. */
  options(folder: string): string[] {
    return this.address.credentials ? ["-c", `include.path=${folder}/config`] : [];
  }

  /** Whether ssh has to be told of files. */
  get hasSsh(): boolean {
    return this.#words.sshPrivateKey !== undefined || this.#words.sshKnownHosts !== undefined;
  }

  /** How ssh is run: never so that it asks, and only with the key and the hosts that were given. */
  ssh(command: string, folder: string): string {
    const { sshPrivateKey, sshKnownHosts } = this.#words;
    const file = (option: string, name: string) => quoteShell(`-o${option}="${folder.replaceAll("%", "%%")}/${name}"`);
    const words = [command.trim() || "ssh", "-oBatchMode=yes"];
    if (sshPrivateKey !== undefined)
      words.push("-oIdentitiesOnly=yes", "-oIdentityAgent=none", file("IdentityFile", "key"), "-oControlPath=none");
    if (sshKnownHosts !== undefined)
      words.push(
        "-oStrictHostKeyChecking=yes",
        file("UserKnownHostsFile", "known_hosts"),
        "-oGlobalKnownHostsFile=/dev/null",
      );
    else if (sshPrivateKey !== undefined) words.push("-oStrictHostKeyChecking=yes");
    return words.join(" ");
  }
}

function withCredentials(address: RepositoryAddress, words: LoginWords): RepositoryAddress {
  const { username, password } = words;
  if (username === undefined && password === undefined) return address;
  if (address.kind !== "http")
    throw faults.loginInvalid("`username` and `password` are for http and https addresses; ssh takes `sshPrivateKey`.");
  if (CONTROL.test(username ?? "") || CONTROL.test(password ?? ""))
    throw faults.loginInvalid("The `username` or `password` holds control characters, such as a line feed at its end.");
  const scope = /^https?:\/\/[^/]*/.exec(address.url)?.[0] ?? "";
  const known = address.credentials;
  const chosen = password ?? known?.password;
  return {
    ...address,
    credentials: {
      scope,
      username: username ?? known?.username ?? "git",
      ...(chosen === undefined ? {} : { password: chosen }),
    },
  };
}

/** A credential helper that reads a file, and does nothing when it is told to store or erase. */
function helper(file: string): string {
  return `!f() { test "$1" != get || cat ${quoteShell(file)}; }; f`;
}

function wholeLines(text: string): string {
  return `${text.replaceAll("\r\n", "\n").replace(/\n*$/, "")}\n`;
}

/** As one word of a shell. */
export function quoteShell(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** As a value in a file of git's configuration. */
function quoteConfig(text: string): string {
  return `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}
