import type { BelfryError, CoreMethods, FormField } from "belfry";
import type { Page, View } from "../extension.ts";
import { type Html, html } from "../html.ts";
import { fieldNameOf, filled, forceField, PROPERTY, type Refused } from "./force-field.ts";
import { own } from "./texts.ts";

export type Scheduler = CoreMethods["schedulers.list"]["result"]["items"][number];

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

/** The form again, with what was typed and what is wrong with it; nothing if there is no such form any more. */
export async function refusedForm(error: BelfryError, fields: URLSearchParams, view: View): Promise<Page | undefined> {
  const builder = fields.get("builder") ?? "";
  const { items } = await view.ask("schedulers.list", {});
  const scheduler = items.find(({ name, canForce }) => canForce && name === fields.get("scheduler"));
  if (scheduler === undefined || !scheduler.builders.includes(builder)) return undefined;
  const faults = error.details;
  const labels = new Map(labelsOf((scheduler.form ?? []) as FormField[], PROPERTY));
  return {
    title: `Build ${builder}`,
    trail: [view.link("builders", {}, "Builders"), view.link("builder", { builder }, own(builder))],
    body: html`<div class="fault" role="alert">
        <p><b>Nothing was started: this cannot be built as it was asked for.</b></p>
        ${faults.length === 0 && html`<p dir="auto">${error.why}</p>`}
        <ul>${faults.map(({ path, message }) => html`<li><b>${own(labels.get(fieldNameOf(path)) ?? path)}</b>: <span dir="auto">${message}</span></li>`)}</ul>
        <p>Correct it here and send it again.</p>
      </div>
      ${forceForm(view, scheduler, builder, { fields, faults })}`,
  };
}

function forceForm(view: View, { name, form }: Scheduler, builder: string, refused?: Refused): Html {
  const fields = (form ?? []) as FormField[];
  const asksSource = !fields.some(({ type }) => type === "codebase");
  const line = (label: string, field: string, more: Record<string, string> = {}) => {
    const { value, invalid, wrong } = filled(field, "", refused);
    return html`<label>${label} ${wrong} <input name=${field} value=${value} aria-invalid=${invalid} ...${more} /></label>`;
  };
  const json = filled("properties", "", refused);
  return view.form(
    "force",
    { scheduler: name, builder },
    html`<div class="force"><fieldset><legend>What to build</legend>
        ${asksSource && html`${line("Branch", "branch")} ${line("Revision", "revision")}`}
        ${line("Reason", "reason", { maxlength: "1000" })}
        ${line("Priority", "priority", { inputmode: "numeric", pattern: "-?[0-9]*", size: "5" })}
      </fieldset>
      ${fields.map((field) => forceField(field, PROPERTY, refused))}
      ${form === null && html`<label>Properties as JSON ${json.wrong} <textarea name="properties" rows="2" cols="40" placeholder='{"name": "value"}' aria-invalid=${json.invalid} value=${json.value}></textarea></label>`}
      <button formenctype=${hasFile(fields) ? "multipart/form-data" : undefined}>Build</button></div>`,
  );
}

const hasFile = (fields: readonly FormField[]): boolean =>
  fields.some(({ type, fields: inner }) => type === "file" || hasFile(inner ?? []));

/** What readers call each field. */
function labelsOf(fields: readonly FormField[], before: string): [string, string][] {
  return fields.flatMap(({ name, label, fields: inner }): [string, string][] => {
    const at = `${before}${name ?? ""}`;
    return inner === undefined ? [[at, label]] : labelsOf(inner, name === null ? before : `${at}.`);
  });
}
