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

const PROTOCOLS = "file:git:http:https:ssh";

/** What git must never do on its own: ask somebody, run hooks, leave a process behind. */
export const STEADY_CONFIG = [
  ...["-c", "core.hooksPath=/dev/null"],
  ...["-c", "core.fsmonitor=false"],
  ...["-c", "gc.autoDetach=false"],
  ...["-c", "maintenance.autoDetach=false"],
];

/** `null` takes a variable away. */
export function steadyEnvironment(): Environment {
  return {
    ...Object.fromEntries(REDIRECTIONS.map((name) => [name, null])),
    GIT_TERMINAL_PROMPT: "0",
    // Set and empty: git then asks neither a program nor a terminal.
    GIT_ASKPASS: "",
    SSH_ASKPASS: "",
    SSH_ASKPASS_REQUIRE: "never",
    GCM_INTERACTIVE: "never",
    GIT_ALLOW_PROTOCOL: PROTOCOLS,
    // Git's messages are read by this plugin, so they have to be English.
    LC_ALL: "C.UTF-8",
    LANGUAGE: null,
  };
}

const HELPER = `!f() { test "$1" = get || exit 0; printf 'username=%s\\npassword=%s\\n' "$BELFRY_GIT_USERNAME" "$BELFRY_GIT_PASSWORD"; }; f`;

/**
 * Lets git log in with what the address held. Arguments can be seen by every user of the machine,
 * so the words themselves go through the environment. `taken` counts the settings that
 * GIT_CONFIG_COUNT holds already.
 */
export function credentialSettings(address: RepositoryAddress, taken = 0): { config: string[]; env: Environment } {
  if (!address.credentials) return { config: [], env: {} };
  const { scope, username, password } = address.credentials;
  if (password === undefined) {
    return {
      config: [],
      env: {
        GIT_CONFIG_COUNT: String(taken + 1),
        [`GIT_CONFIG_KEY_${taken}`]: `credential.${scope}.username`,
        [`GIT_CONFIG_VALUE_${taken}`]: username,
      },
    };
  }
  // The empty helper comes first and takes away the user's own ones, which would store the password.
  return {
    config: ["-c", "credential.helper=", "-c", `credential.${scope}.helper=${HELPER}`],
    env: { BELFRY_GIT_USERNAME: username, BELFRY_GIT_PASSWORD: password },
  };
}

/** For commands that talk to a repository whose owner git would not trust. */
export function uploadPackOption(address: RepositoryAddress, trusted: boolean): string[] {
  return trusted && address.kind === "local" ? ["--upload-pack=git -c 'safe.directory=*' upload-pack"] : [];
}

/** The user's way to run ssh, but never one that asks. */
export function sshCommand(configured: string | undefined): string {
  return `${configured?.trim() || "ssh"} -oBatchMode=yes`;
}
