import type { Clock } from "./clock.ts";
import type { PluginWrites } from "./plugin-store.ts";
import type { Json, Millis } from "./values.ts";

/** A change as a source found it. */
export interface NewChange {
  /**
   * Names the change for ever, within its source: a commit's hash and branch, a delivery's id.
   * A change whose key is stored already is not stored again, so reporting twice is harmless.
   */
  key: string;
  author: string;
  /** The whole message. */
  comments: string;
  /** Paths, relative to the repository's root, with `/`. */
  files: string[];
  revision: string | null;
  branch: string | null;
  /** Where the code is, as a checkout step needs it. */
  repository: string;
  /** Which part of a build with several repositories this is; "" if there is only one. */
  codebase?: string;
  project?: string;
  category?: string | null;
  /** A page about this change, if there is one. */
  link?: string | null;
  /** When the author made it. Default: now. */
  when?: Millis;
  properties?: Record<string, Json>;
}

/** What a source is given for one poll, or to watch with. */
export interface SourceContext {
  /** What the last {@link SourceContext.report} stored; `undefined` the first time. */
  readonly state: Json | undefined;
  readonly clock: Clock;
  /** Aborts at shut-down, when the lease is lost, and when a poll takes longer than its time limit. */
  readonly signal: AbortSignal;
  /** An absolute folder for caches, kept between polls and restarts; not shared with other sources. It may be emptied by the user at any time. */
  readonly folder: string;
  /**
   * Stores changes and the source's new state in one transaction. When it resolves they are on disk
   * and will not be lost; when it rejects nothing of this call is stored. May be called several
   * times, one after the other, oldest changes first. Rejects once `poll` or `watch` is over or
   * `signal` has aborted. Text with NUL or half a surrogate pair is stored with U+FFFD in its place.
   */
  report(changes: NewChange[], state?: Json, writes?: PluginWrites): Promise<{ added: number }>;
  /** One line for the master's log, such as what was skipped and why. */
  note(message: string): void;
  /**
   * One short line that says what it does now, such as "fetching 3 branches". Shown while the poll
   * runs, and when it turns out to be slow or stuck. Cheap; call it as often as you like.
   */
  progress(summary: string): void;
  /**
   * The value of a secret. From then on it is masked in the changes, notes, progress and errors of
   * this poll; the state is stored as it is, so keep it out of there. Throws `BELFRY_SECRET_UNKNOWN`.
   */
  secret(name: string): Promise<string>;
}

/**
 * Finds changes: asks a repository now and then, or is told by one.
 *
 * Core makes one instance per configured source. Its loop runs on one master at a time, under a
 * lease, and never overlaps itself. What it must remember between polls goes into its state, since
 * the next poll may happen in another process.
 */
export interface ChangeSource {
  /** Milliseconds between the start of two polls. A source without `poll` needs none. */
  readonly pollInterval?: number;
  /** Milliseconds after which a poll is aborted and counted as failed. Default 10 minutes. */
  readonly pollTimeout?: number;
  /**
   * Looks once. A throw is shown as the source's last error and the poll is repeated later, with
   * growing delays; nothing else stops.
   */
  poll?(ctx: SourceContext): Promise<void>;
  /**
   * Listens to somebody who tells of changes, and reports each; for sources that are told rather
   * than ask. Runs as long as the master has this source and settles after `ctx.signal` aborts.
   * Settling or throwing before that is shown as the source's last error, and it is begun anew after
   * growing pauses. It may overlap with `poll`, if the source has both.
   */
  watch?(ctx: SourceContext): Promise<void>;
}
