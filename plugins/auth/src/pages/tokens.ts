import { type Html, html, moment, own, type View, type Web } from "@belfry/web";
import type { Json } from "belfry";
import { ADMINISTRATOR } from "../options.ts";
import { loginPath } from "../paths.ts";

interface Token {
  name: string;
  scope: string;
  createdAt: number;
  expiresAt: number | null;
  usedAt: number | null;
}

const SCOPES: readonly [scope: "read" | "control" | "admin", says: string][] = [
  ["read", "look"],
  ["control", "look, start and stop"],
  ["admin", "everything"],
];
const DAYS = [7, 30, 90, 365];

/** Where people make tokens for themselves. */
export function addTokenPages(web: Web): (() => void)[] {
  return [
    web.page({ name: "tokens", path: "/tokens", label: () => "Your tokens", render }),
    web.action({
      name: "own-token-add",
      method: "ownTokens.add",
      params: (fields) => {
        const days = Number(fields.get("days") ?? 0);
        return {
          name: (fields.get("name") ?? "").trim(),
          scope: fields.get("scope") ?? "read",
          ...(days > 0 && { days }),
        };
      },
      done: (answer, view) => {
        const { name, token } = answer as { name: string; token: string };
        return {
          title: "Your new token",
          trail: [view.link("tokens", {})],
          body: html`<p>This is the token ${own(name)}. It is shown now and never again: put it where it is needed.</p>
            <p><label for="token">Token</label> <input id="token" value=${token} readonly size="60" autocomplete="off" spellcheck=${false} /></p>
            <p>Programs send it as <code>Authorization: Bearer …</code>.</p>`,
        };
      },
    }),
    web.action({
      name: "own-token-revoke",
      method: "ownTokens.revoke",
      params: (fields): Json => ({ name: fields.get("name") ?? "" }),
      next: () => "/tokens",
    }),
  ];
}

async function render(view: View) {
  const title = "Your tokens";
  if (view.caller.kind !== "session")
    return {
      title,
      fresh: true,
      body: html`<p>People who have signed in can make tokens here, for programs that act in their name. <a href=${loginPath("/tokens")}>Sign in</a></p>`,
    };
  const { items } = view.may("ownTokens.list")
    ? ((await view.ask("ownTokens.list", {})) as unknown as { items: Token[] })
    : { items: [] };
  const body = html`
    <p>A token lets a program act in your name. It may no more than you, and nothing once you may nothing.</p>
    ${items.length === 0 ? html`<p class="empty">You have none.</p>` : table(items, view)}
    <h2>Make one</h2>
    ${view.caller.name === ADMINISTRATOR ? html`<p>You came by a link of the administrator's, who is nobody in particular; <code>belfry token add</code> makes tokens that are nobody's own.</p>` : addForm(view)}
    <h2>Your sessions</h2>
    <form method="post" action="/auth/sign-out" class="action">
      <input type="hidden" name="everywhere" value="yes" />
      <button>Sign out everywhere</button>
    </form>`;
  return { title, body, fresh: true };
}

function table(items: readonly Token[], view: View): Html {
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Tokens"><table class="list">
    <thead><tr><th scope="col">Name</th><th scope="col">May</th><th scope="col">Made</th><th scope="col">Used</th><th scope="col">Good until</th><th scope="col"><span class="unseen">Revoke</span></th></tr></thead>
    <tbody>${items.map(
      ({ name, scope, createdAt, usedAt, expiresAt }) => html`<tr>
        <td>${own(name)}</td><td>${scope}</td><td>${moment(createdAt)}</td><td>${moment(usedAt) ?? "never"}</td><td>${moment(expiresAt) ?? "it is revoked"}</td>
        <td><details class="ask"><summary aria-label=${`Revoke ${name}…`}>Revoke…</summary>${view.form("own-token-revoke", { name }, html`<button>Revoke ${own(name)}</button>`)}</details></td>
      </tr>`,
    )}</tbody>
  </table></div>`;
}

function addForm(view: View): Html {
  const content = html`
    <label>Name <input name="name" required maxlength="100" autocomplete="off" /></label>
    <label>It may <select name="scope">${SCOPES.filter(([scope]) => view.caller.scopes.has(scope)).map(([scope, says]) => html`<option value=${scope}>${says}</option>`)}</select></label>
    <label>Good for <select name="days">${DAYS.map((days) => html`<option value=${days} selected=${days === 90}>${days} days</option>`)}<option value="0">until revoked</option></select></label>
    <button>Make a token</button>`;
  return view.form("own-token-add", {}, content) ?? html`<p>You may not make tokens.</p>`;
}
