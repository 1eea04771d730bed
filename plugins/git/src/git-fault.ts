import type { BelfryError } from "belfry";
import { faults } from "./errors.ts";
import { maskText, type RepositoryAddress } from "./repository-address.ts";

/** Turns what git said into the error that a user reads. `where` is "the master" or "the worker". */
export function faultOf(stderr: string, address: RepositoryAddress, where: string): BelfryError {
  const said = lastWords(maskText(stderr, address));
  const repository = address.url;
  if (/No space left on device|Disk quota exceeded/i.test(stderr)) return faults.diskFull(where);
  if (/dubious ownership|unsafe repository/i.test(stderr)) return faults.owner(repository);
  if (/transport '[^']*' not allowed/i.test(stderr)) return faults.protocol(repository);
  if (AUTH.test(stderr)) return faults.auth(repository, said);
  if (UNREACHABLE.test(stderr)) return faults.unreachable(repository, said);
  if (NOT_A_REPOSITORY.test(stderr)) return faults.notARepository(repository, said);
  if (/Could not read from remote repository/i.test(stderr)) return faults.unreachable(repository, said);
  return faults.failed(repository, said);
}

const AUTH =
  /Authentication failed|could not read (Username|Password)|terminal prompts disabled|Permission denied \(|Host key verification failed|Too many authentication failures|HTTP 40[13]|returned error: 40[13]/i;
const UNREACHABLE =
  /Could not resolve|unable to look up|Connection (refused|reset|timed out|closed)|Operation timed out|Network is unreachable|No route to host|Failed to connect|Could not connect|unable to connect|early EOF|hung up unexpectedly|unexpected disconnect|RPC failed|returned error: 5\d\d|Empty reply from server|SSL_|TLS |expected flush after ref listing|Broken pipe/i;
const NOT_A_REPOSITORY =
  /does not appear to be a git repository|not a git repository|repository '[^']*' not found|Repository not found|repository not exported|no such repository|returned error: 404|invalid gitfile format/i;

/** True if the remote has no ref of the name that was asked for. */
export function isRefMissing(stderr: string): boolean {
  return /couldn't find remote ref|no such remote ref/i.test(stderr);
}

/** True if the remote has no such commit, or does not give it out by its hash. */
export function isCommitRefused(stderr: string): boolean {
  return (
    /not our ref|unadvertised object|did not send all necessary objects|could not find commit/i.test(stderr) ||
    isRefMissing(stderr)
  );
}

/** What git said last, on one line. */
export function lastWords(text: string): string {
  const lines = text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
  const told = lines.filter((line) => /^(fatal|error|ssh|remote: (error|fatal))\b/i.test(line));
  const chosen = (told.length > 0 ? told : lines).slice(-2).join(" ");
  return chosen.slice(0, 400) || "nothing.";
}
