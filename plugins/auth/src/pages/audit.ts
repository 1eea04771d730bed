import { html, moment, onward, own, type View, type Web } from "@belfry/web";

const PAGE = 50;

/** Who did what. */
export function addAuditPage(web: Web): (() => void)[] {
  return [
    web.page({ name: "audit", path: "/audit", label: () => "Audit", render }),
    web.navigation({ title: "Audit", path: "/audit", order: 95, scope: "admin" }),
  ];
}

async function render(view: View) {
  const given = (name: string) => (view.query.get(name) ?? "").trim();
  const [caller, method, cursor] = [given("caller"), given("method"), given("cursor")];
  const { items, next } = await view.ask("audit.list", {
    limit: PAGE,
    ...(caller !== "" && { caller }),
    ...(method !== "" && { method }),
    ...(cursor !== "" && { cursor }),
  });
  const url = (to: string | undefined) => view.url("audit", {}, { caller, method, cursor: to });
  const body = html`
    <form method="get" action=${view.url("audit")} role="search" class="filters">
      <label>Who <input name="caller" value=${caller} /></label>
      <label>Method <input name="method" value=${method} placeholder="builds.stop" /></label>
      <button>Show</button>
    </form>
    ${
      items.length === 0
        ? html`<p class="empty">Nothing is noted${caller !== "" || method !== "" ? " of that" : ""}.</p>`
        : html`<div class="scroll" tabindex="0" role="region" aria-label="Audit"><table class="list">
            <thead><tr><th scope="col">When</th><th scope="col">Who</th><th scope="col">From</th><th scope="col">Method</th><th scope="col">With</th><th scope="col">How it ended</th></tr></thead>
            <tbody>${items.map(
              (entry) => html`<tr>
                <td>${moment(entry.at)}</td>
                <td><a href=${view.url("audit", {}, { caller: entry.caller })}>${own(entry.caller)}</a> (${entry.kind})</td>
                <td>${entry.from ?? "this machine"}</td>
                <td><a href=${view.url("audit", {}, { method: entry.method })}>${entry.method}</a></td>
                <td><code>${own(entry.params)}</code></td>
                <td>${entry.outcome}</td>
              </tr>`,
            )}</tbody>
          </table></div>`
    }
    ${onward(next, cursor === "", url)}`;
  return { title: "Audit", body, width: "full" as const, fresh: true };
}
