import { z } from "belfry";
import type { RepositoryAddress } from "./repository-address.ts";

type Environment = Record<string, string | null>;

/** Variables that would lead git to another repository than the one it is told. */
const REDIRECTIONS = [
  "GIT_ALTERNATE_OBJECT_DIRECTORIES",
  "GIT_COMMON_DIR",
  "GIT_CONFIG",
  "GIT_DIR",
  "GIT_EXTERNAL_DIFF",
  "GIT_GRAFT_FILE",
  "GIT_IMPLICIT_WORK_TREE",
  "GIT_INDEX_FILE",
  "GIT_INTERNAL_SUPER_PREFIX",
  "GIT_LITERAL_PATHSPECS",
  "GIT_NAMESPACE",
  "GIT_NO_REPLACE_OBJECTS",
  "GIT_OBJECT_DIRECTORY",
  "GIT_PREFIX",
  "GIT_QUARANTINE_PATH",
  "GIT_REPLACE_REF_BASE",
  "GIT_SHALLOW_FILE",
  "GIT_TRACE",
  "GIT_TRACE_CURL",
  "GIT_TRACE_PACKET",
  "GIT_CURL_VERBOSE",
  "GIT_WORK_TREE",
];

export const PROTOCOLS = ["file", "git", "http", "https", "ssh"] as const;
export type Protocol = (typeof PROTOCOLS)[number];

/** Options of whatever fetches. */
export const protocolOption = z
  .array(z.enum(PROTOCOLS))
  .min(1)
  .optional()
  .describe("protocols that git may use; default: git, http, https and ssh, and file for a path or file address");

/** Files of this machine only where the configuration speaks of them: a redirect or a submodule must not. */
export function allowedProtocols(address: RepositoryAddress, given: readonly Protocol[] | undefined): string {
  const usual = PROTOCOLS.filter((protocol) => protocol !== "file" || address.kind === "local");
  return (given ?? usual).join(":");
}

/** What git must never do on its own: ask somebody, run hooks, leave a process behind. */
export const STEADY_CONFIG = [
  ...["-c", "core.hooksPath=/dev/null"],
  ...["-c", "core.fsmonitor=false"],
  ...["-c", "gc.autoDetach=false"],
  ...["-c", "maintenance.autoDetach=false"],
];

/** `protocols` is a list with colons. `null` takes a variable away. */
export function steadyEnvironment(protocols = ""): Environment {
  return {
    ...Object.fromEntries(REDIRECTIONS.map((name) => [name, null])),
    GIT_TERMINAL_PROMPT: "0",
    // Set and empty: git then asks neither a program nor a terminal.
    GIT_ASKPASS: "",
    SSH_ASKPASS: "",
    SSH_ASKPASS_REQUIRE: "never",
    GCM_INTERACTIVE: "never",
    // Empty: what works on a clone alone fetches nothing, not even objects that a partial clone lacks.
    GIT_ALLOW_PROTOCOL: protocols,
    // Git's messages are read by this plugin, so they have to be English.
    LC_ALL: "C.UTF-8",
    LANGUAGE: null,
  };
}

/** For commands that talk to a repository whose owner git would not trust. */
export function uploadPackOption(address: RepositoryAddress, trusted: boolean): string[] {
  return trusted && address.kind === "local" ? ["--upload-pack=git -c 'safe.directory=*' upload-pack"] : [];
}
