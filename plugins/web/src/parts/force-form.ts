import type { CoreMethods, FormField } from "belfry";
import type { View } from "../extension.ts";
import { type Html, html } from "../html.ts";
import { own } from "./texts.ts";
import { valueText } from "./values.ts";

export type Scheduler = CoreMethods["schedulers.list"]["result"]["items"][number];

/** What stands before the names of fields that set properties, and those of codebases. */
export const PROPERTY = "p.";
export const CODEBASE = "c.";

/** The forms of the schedulers that can be asked to build a builder; nothing for who may not. */
export async function forceForms(view: View, builder: string): Promise<Html> {
  if (!view.may("schedulers.force")) return null;
  const { items } = await view.ask("schedulers.list", {});
  const able = items.filter((one) => one.canForce && one.disabled === null && one.builders.includes(builder));
  return able.map(
    (one) => html`<details>
      <summary>Build now with <b>${own(one.name)}</b></summary>
      ${forceForm(view, one, builder)}
    </details>`,
  );
}

function forceForm(view: View, { name, form }: Scheduler, builder: string): Html {
  const fields = (form ?? []) as FormField[];
  const asksSource = !fields.some(({ type }) => type === "codebase");
  return view.form(
    "force",
    { scheduler: name, builder },
    html`<div class="force"><fieldset><legend>What to build</legend>
        ${asksSource && html`<label>Branch <input name="branch" /></label> <label>Revision <input name="revision" /></label>`}
        <label>Reason <input name="reason" maxlength="1000" /></label>
        <label>Priority <input name="priority" inputmode="numeric" pattern="-?[0-9]*" size="5" /></label>
      </fieldset>
      ${fields.map((field) => fieldOf(field, PROPERTY))}
      ${form === null && html`<label>Properties as JSON <textarea name="properties" rows="2" cols="40" placeholder='{"name": "value"}'></textarea></label>`}
      <button>Build</button></div>`,
  );
}

/** One field. Names of fields in a group that has a name are `p.GROUP.NAME`. */
function fieldOf(field: FormField, before: string): Html {
  const { type, label, help, required, choices } = field;
  const name = `${before}${field.name ?? ""}`;
  const limits = (field.limits ?? {}) as Record<string, string | number | undefined>;
  const words = html`${own(label)}${required && html` <span class="needed">(needed)</span>`}${help !== null && html`<span class="help">${own(help)}</span>`}`;
  const given = field.default === null || field.default === undefined ? "" : valueText(field.default);
  const labelled = (input: Html) => html`<label>${words} ${input}</label>`;
  switch (type) {
    case "group":
      return html`<fieldset><legend>${own(label)}</legend>${help !== null && html`<p class="help">${own(help)}</p>`}
        ${(field.fields ?? []).map((one) => fieldOf(one, field.name === null ? before : `${name}.`))}</fieldset>`;
    case "fixed":
      return html`<p>${own(label)}: <code dir="auto">${given}</code></p>`;
    case "codebase":
      return codebase(field);
    case "boolean":
      return html`<label><input type="checkbox" name=${name} value="true" checked=${field.default === true} /> ${words}</label>`;
    case "int":
      return labelled(
        html`<input name=${name} value=${given} inputmode="numeric" pattern="-?[0-9]*" size="8" required=${required} />`,
      );
    case "choice":
    case "worker":
      return labelled(html`<select name=${name} required=${required}>
        ${!required && html`<option value=""></option>`}
        ${(choices ?? []).map((one) => html`<option value=${JSON.stringify(one.value)} selected=${JSON.stringify(one.value) === JSON.stringify(field.default)}>${one.label}</option>`)}</select>`);
    case "choices": {
      const chosen = new Set(Array.isArray(field.default) ? field.default.map((one) => JSON.stringify(one)) : []);
      const list = choices ?? [];
      return labelled(html`<select name=${name} multiple size=${Math.min(8, list.length)}>
        ${list.map((one) => html`<option value=${JSON.stringify(one.value)} selected=${chosen.has(JSON.stringify(one.value))}>${one.label}</option>`)}</select>`);
    }
    case "string":
    case "revision":
      return labelled(
        html`<input name=${name} value=${given} required=${required} maxlength=${limits["maxLength"]} minlength=${limits["minLength"]} />`,
      );
    case "text":
    case "file":
      return labelled(html`<textarea name=${name} rows="4" cols="50" required=${required} value=${given}></textarea>`);
    default:
      return labelled(
        html`<textarea name=${name} rows="2" cols="40" value=${field.default === null ? "" : JSON.stringify(field.default)}></textarea>`,
      );
  }
}

function codebase({ name, label, help, default: source, choices, limits }: FormField): Html {
  const ask = (limits?.["ask"] ?? []) as string[];
  const given = (source ?? {}) as Record<string, string | null>;
  return html`<fieldset><legend>${own(label || "Source")}</legend>${help !== null && html`<p class="help">${own(help)}</p>`}
    ${ask.map((part) => {
      const field = `${CODEBASE}${part}.${name}`;
      if (part === "branch" && choices !== undefined)
        return html`<label>branch <select name=${field}>${choices.map(({ value, label }) => html`<option value=${String(value)} selected=${value === given["branch"]}>${label}</option>`)}</select></label>`;
      return html`<label>${part} <input name=${field} value=${given[part] ?? ""} /></label>`;
    })}</fieldset>`;
}
