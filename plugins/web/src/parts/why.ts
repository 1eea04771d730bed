import { type Html, html } from "../html.ts";
import { moment, own } from "./texts.ts";
import { valueText } from "./values.ts";

interface Reason {
  reason: string;
  [field: string]: unknown;
}

const names = (list: unknown): string =>
  Array.isArray(list)
    ? list.map((one) => (typeof one === "string" ? one : valueText((one as { name?: unknown }).name))).join(", ")
    : "";
const text = (value: unknown): string => (value === null || value === undefined ? "" : valueText(value));
const time = (value: unknown): Html => (typeof value === "number" ? moment(value) : null);

function pauses(list: unknown): Html {
  if (!Array.isArray(list)) return null;
  return list.map(
    ({ name, by, why }: { name?: unknown; by?: unknown; why?: unknown }, i) =>
      html`${i > 0 && ", "}${own(text(name))}${by ? html` by ${own(text(by))}` : null}${why ? html` (${own(text(why))})` : null}`,
  );
}

/** What each reason is called. One that is not known here is shown as it is. */
const WORDS: Record<string, (reason: Reason) => Html> = {
  "no-distributor": () => "no master gives out builds now",
  "builder-not-configured": () => "its builder is not in the configuration",
  "builder-paused": ({ by, why }) =>
    html`its builder is paused${by ? html` by ${own(text(by))}` : null}${why ? html`: ${own(text(why))}` : null}`,
  "retry-delay": ({ until }) => html`it is tried again ${time(until)}`,
  "no-worker-configured": ({ workers }) => html`none of its workers is in the configuration: ${own(names(workers))}`,
  "no-worker-connected": ({ workers }) => html`none of its workers is connected: ${own(names(workers))}`,
  "workers-paused": ({ workers }) => html`its workers are paused: ${pauses(workers)}`,
  "workers-busy": ({ workers }) => html`its workers are busy: ${own(names(workers))}`,
  lock: ({ lock, worker }) => html`the lock ${own(text(lock))}${worker ? html` of ${own(text(worker))}` : null}`,
  "hook-failed": ({ hook, error }) => html`${own(text(hook))} failed: ${own(text(error))}`,
  "can-start": ({ text: said }) => own(text(said)) ?? "the configuration holds it back",
  "next-worker": () => "the configuration gives it no worker now",
  "next-build": () => "the configuration lets others go first",
  collapsed: ({ into }) => `it is built with request ${text(into)}`,
  expired: ({ at }) => html`it waited too long, until ${time(at)}`,
  "behind-others": ({ ahead }) => (ahead === 1 ? "another one comes first" : `${text(ahead)} others come first`),
  "tree-stable-timer": ({ until, changes }) =>
    html`it waits until ${time(until)} whether more follows the ${text(changes)} changes`,
  "no-important-change": ({ changes }) => `none of ${text(changes)} changes is important`,
  time: ({ until }) => html`its time is ${time(until)}`,
  upstream: ({ schedulers }) => html`it builds after ${own(names(schedulers))}`,
  disabled: () => "it is disabled",
};

/** Why something waits, in words. */
export function whyText(reason: { reason: string }): Html {
  const known = Object.hasOwn(WORDS, reason.reason) ? WORDS[reason.reason] : undefined;
  if (known !== undefined) return known(reason as Reason);
  const { reason: name, ...rest } = reason as Reason;
  return html`${own(name)} ${Object.keys(rest).length > 0 && html`<code dir="auto">${valueText(rest)}</code>`}`;
}
