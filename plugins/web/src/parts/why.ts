import type { View } from "../extension.ts";
import { type Html, html } from "../html.ts";
import type { Named } from "./running-builds.ts";
import { count, moment, own } from "./texts.ts";
import { valueText } from "./values.ts";

interface Reason {
  reason: string;
  [field: string]: unknown;
}

interface Seen {
  view: Pick<View, "link">;
  running: ReadonlyMap<number, Named>;
}

/** Of many workers or builds so many are named. */
const MOST = 8;

const text = (value: unknown): string => (value === null || value === undefined ? "" : valueText(value));
const time = (value: unknown): Html => (typeof value === "number" ? moment(value) : null);

function listed(list: unknown, one: (item: Record<string, unknown>) => Html): Html {
  if (!Array.isArray(list)) return null;
  const shown = list
    .slice(0, MOST)
    .map((item, i) => html`${i > 0 && ", "}${one(typeof item === "object" && item !== null ? item : { name: item })}`);
  return html`${shown}${list.length > MOST && ` and ${list.length - MOST} more`}`;
}

function worker({ view }: Seen, name: unknown): Html {
  return view.link("worker", { worker: text(name) }, own(text(name)));
}

const workers = (seen: Seen, list: unknown): Html => listed(list, ({ name }) => worker(seen, name));
const schedulers = ({ view }: Seen, list: unknown): Html =>
  listed(list, ({ name }) => view.link("scheduler", { scheduler: text(name) }, own(text(name))));

/** Workers with what they build. */
function busy(seen: Seen, list: unknown): Html {
  return listed(list, ({ name, builds }) => {
    const known = Array.isArray(builds)
      ? builds.map((id) => seen.running.get(id)).filter((one) => one !== undefined)
      : [];
    return html`${worker(seen, name)}${known.length > 0 && html` (${listed(known, (one) => build(seen, one))})`}`;
  });
}

function build({ view }: Seen, { builder, number }: Record<string, unknown>): Html {
  return view.link(
    "build",
    { builder: text(builder), number: Number(number) },
    html`${own(text(builder))} #${text(number)}`,
  );
}

function pauses(seen: Seen, list: unknown): Html {
  return listed(
    list,
    ({ name, by, why }) =>
      html`${worker(seen, name)}${by ? html` by ${own(text(by))}` : null}${why ? html` (${own(text(why))})` : null}`,
  );
}

function lock(seen: Seen, { lock, worker: on, holders, ahead }: Reason): Html {
  const held = Array.isArray(holders) && holders.length > 0;
  return html`the lock ${own(text(lock))}${on ? html` of ${worker(seen, on)}` : null}${held && html`, held by ${listed(holders, (one) => html`${build(seen, one)}${time(one["since"]) && html` since ${time(one["since"])}`}`)}`}${typeof ahead === "number" && ahead > 0 && `; ${count(ahead, "other")} ${ahead === 1 ? "comes" : "come"} first`}`;
}

const changes = (value: unknown): string =>
  typeof value === "number" ? count(value, "change") : `${text(value)} changes`;
const on = (branch: unknown): Html => (branch ? html` on ${own(text(branch))}` : null);

/** What each reason is called. One that is not known here is shown as it is. */
const WORDS: Record<string, (reason: Reason, seen: Seen) => Html> = {
  "no-distributor": () => "no master gives out builds now",
  "builder-not-configured": () => "its builder is not in the configuration",
  "builder-paused": ({ by, why }) =>
    html`its builder is paused${by ? html` by ${own(text(by))}` : null}${why ? html`: ${own(text(why))}` : null}`,
  "retry-delay": ({ until }) => html`it is tried again ${time(until)}`,
  "no-worker-configured": ({ workers: list }) =>
    html`none of its workers is in the configuration: ${listed(list, ({ name }) => own(text(name)))}`,
  "no-worker-connected": ({ workers: list }, seen) => html`none of its workers is connected: ${workers(seen, list)}`,
  "workers-paused": ({ workers: list }, seen) => html`its workers are paused: ${pauses(seen, list)}`,
  "workers-busy": ({ workers: list }, seen) => html`its workers are busy: ${busy(seen, list)}`,
  lock: (reason, seen) => lock(seen, reason),
  "hook-failed": ({ hook, error }) => html`${own(text(hook))} failed: ${own(text(error))}`,
  "can-start": ({ text: said }) => own(text(said)) ?? "the configuration holds it back",
  "next-worker": () => "the configuration gives it no worker now",
  "next-build": () => "the configuration lets others go first",
  collapsed: ({ into }, { view }) => html`it is built with ${view.link("request", { request: Number(into) })}`,
  expired: ({ at }) => html`it waited too long, until ${time(at)}`,
  "behind-others": ({ ahead }) => (ahead === 1 ? "another one comes first" : `${text(ahead)} others come first`),
  "tree-stable-timer": ({ until, changes: many, branch }) =>
    html`it waits until ${time(until)} whether more follows the ${changes(many)}${on(branch)}`,
  "no-important-change": ({ changes: many, branch }) => html`none of ${changes(many)}${on(branch)} is important`,
  time: ({ until }) => html`its time is ${time(until)}`,
  upstream: ({ schedulers: list }, seen) => html`it builds after ${schedulers(seen, list)}`,
  "scheduler-disabled": ({ by, text: why }) =>
    html`it is disabled${by ? html` by ${own(text(by))}` : null}${why ? html`: ${own(text(why))}` : null}`,
  "scheduler-failing": ({ error, failures }) =>
    html`it failed${typeof failures === "number" && failures > 1 ? ` ${failures} times` : null} and is asked again: ${own(text(error))}`,
};

/** Why something waits, in words; `running` names the builds that are in the way. */
export function whyText(
  view: Pick<View, "link">,
  reason: { reason: string },
  running: ReadonlyMap<number, Named> = new Map(),
): Html {
  const known = Object.hasOwn(WORDS, reason.reason) ? WORDS[reason.reason] : undefined;
  if (known !== undefined) return known(reason as Reason, { view, running });
  const { reason: name, ...rest } = reason as Reason;
  return html`${own(name)} ${Object.keys(rest).length > 0 && html`<code dir="auto">${valueText(rest)}</code>`}`;
}
