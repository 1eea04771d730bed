import { type Html, html, ticked, type Web } from "@belfry/web";
import { faults } from "../errors.ts";
import { KEY_FORM } from "../keys.ts";
import type { AuthOptions } from "../options.ts";
import { inside, loginPath } from "../paths.ts";

/** What a page to sign in tells of a try that went wrong; the wording is the error's own. */
const TOLD = {
  BELFRY_AUTH_REFUSED: faults.refused,
  BELFRY_AUTH_BUSY: faults.busy,
  BELFRY_AUTH_AWAY: () => faults.away(),
  BELFRY_AUTH_LINK_USED: faults.linkUsed,
  BELFRY_AUTH_FORM_BROKEN: faults.formBroken,
  BELFRY_AUTH_NAME_REFUSED: faults.nameRefused,
  BELFRY_AUTH_OIDC_AWAY: () => faults.oidcAway(),
  BELFRY_AUTH_OIDC_REFUSED: () => faults.oidcRefused(),
  BELFRY_AUTH_OIDC_DISTRUSTED: () => faults.oidcDistrusted(),
  BELFRY_AUTH_OIDC_STRAY: faults.oidcStray,
  BELFRY_AUTH_OIDC_CLAIM: () => faults.oidcClaim(),
  BELFRY_AUTH_OIDC_UNVERIFIED: faults.oidcUnverified,
};

/** The pages where somebody signs in, and who he is on every page. */
export function addLoginPages(web: Web, options: AuthOptions): (() => void)[] {
  return [
    web.page({
      name: "login",
      path: "/login",
      label: () => "Sign in",
      async render({ query, caller }) {
        const to = inside(query.get("to"));
        const body = html`
          ${notice(query, options)}
          ${caller.kind === "session" && html`<p>You are signed in as <b dir="auto">${caller.name}</b>. Here you can sign in as somebody else.</p>`}
          ${options.oidc && html`<p><a class="button" href=${`/auth/oidc${to === "/" ? "" : `?${new URLSearchParams({ to })}`}`}>${options.oidc.label}</a></p>`}
          ${options.users.length > 0 && passwordForm(to)}
          ${!query.has("fault") && html`<p class="hint">The administrator gets in by the link that <code>belfry login-link</code> prints on the master's machine.</p>`}`;
        return { title: "Sign in", body };
      },
    }),
    web.page({
      name: "login.link",
      path: "/login/link",
      async render({ query }) {
        const key = query.get("key") ?? "";
        if (!KEY_FORM.test(key)) return { title: "Sign in", body: told(faults.linkUsed()) };
        // Programs that look at links before their readers do send no forms.
        const body = html`<p>This link signs you in once.</p>
          <form method="post" action="/auth/link" class="action">
            <input type="hidden" name="key" value=${key} />
            <button>Sign in</button>
          </form>`;
        return { title: "Sign in", body };
      },
    }),
    web.reader({
      name: "@belfry/auth",
      signIn: (here) => loginPath(here),
      render({ caller, here }) {
        if (caller.kind === "anonymous") return html`<a href=${loginPath(here)}>Sign in</a>`;
        if (caller.kind !== "session") return html`signed in as <b dir="auto">${caller.name}</b>`;
        return html`signed in as <a href="/tokens"><b dir="auto">${caller.name}</b></a> <form method="post" action="/auth/sign-out" class="sign-out"><button>Sign out</button></form>`;
      },
    }),
  ];
}

function passwordForm(to: string): Html {
  return html`<form method="post" action="/auth/sign-in" class="action sign-in">
    <input type="hidden" name="to" value=${to} />
    <p><label for="user">User</label> <input id="user" name="user" required maxlength="100" autocomplete="username" autocapitalize="none" spellcheck=${false} /></p>
    <p><label for="password">Password</label> <input id="password" name="password" type="password" required maxlength="1000" autocomplete="current-password" /></p>
    <p><button>Sign in</button></p>
  </form>`;
}

function notice(query: URLSearchParams, { proxy }: AuthOptions): Html {
  if (query.get("out") === "proxy") {
    const there = proxy?.signOut === undefined ? "there" : html`<a href=${proxy.signOut}>there</a>`;
    return html`<p role="status">The proxy before this server signs you in with every request; sign out ${there}.</p>`;
  }
  if (query.get("out") === "yes") return html`<p role="status">You are signed out.</p>`;
  const code = query.get("fault") ?? "";
  if (code === "BELFRY_AUTH_TOO_MANY_TRIES") return told(faults.tooMany(1_000 * secondsIn(query.get("wait"))));
  return Object.hasOwn(TOLD, code) ? told(TOLD[code as keyof typeof TOLD]()) : null;
}

function told({ what, why, fix }: { what: string; why: string; fix: string }): Html {
  return html`<div class="fault" role="alert"><p><b>${what}</b></p><p>${ticked(why)}</p><p>${ticked(fix)}</p></div>`;
}

function secondsIn(text: string | null): number {
  return text !== null && /^\d{1,4}$/.test(text) ? Number(text) : 60;
}
