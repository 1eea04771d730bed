import type { FormField } from "belfry";
import { type Html, html } from "../html.ts";
import { own } from "./texts.ts";
import { valueText } from "./values.ts";

/** What stands before the names of fields that set properties, and those of codebases. */
export const PROPERTY = "p.";
export const CODEBASE = "c.";

/** A form that was sent already, and what is wrong with it. Paths are those of the wish: `properties.times`. */
export interface Refused {
  fields: URLSearchParams;
  faults: readonly { path: string; message: string }[];
}

/** The name of the field that a fault is about. */
export function fieldNameOf(path: string): string {
  const codebase = /^codebases\.(.*)\.([^.]+)$/.exec(path);
  if (codebase !== null) return `${CODEBASE}${codebase[2]}.${codebase[1]}`;
  return path.startsWith("properties.") ? PROPERTY + path.slice("properties.".length).replace(/\[\d+\].*$/, "") : path;
}

/** What a field shows: what was typed, or else its default; and what was wrong with that. */
export function filled(name: string, fallback: string, refused: Refused | undefined) {
  const faults = refused?.faults.filter(({ path }) => fieldNameOf(path) === name) ?? [];
  return {
    name,
    value: refused === undefined ? fallback : (refused.fields.get(name) ?? ""),
    invalid: faults.length > 0 ? ("true" as const) : undefined,
    wrong: faults.length > 0 && html`<span class="wrong">${faults.map(({ message }) => message).join("; ")}</span>`,
  };
}

/** One field. Names of fields in a group that has a name are `p.GROUP.NAME`. */
export function forceField(field: FormField, before: string, refused?: Refused): Html {
  const { type, label, help, required, choices } = field;
  const limits = (field.limits ?? {}) as Record<string, string | number | undefined>;
  const given = field.default === null || field.default === undefined ? "" : valueText(field.default);
  const asJson = field.default === null ? "" : JSON.stringify(field.default);
  const { name, value, invalid, wrong } = filled(
    `${before}${field.name ?? ""}`,
    choices === undefined && type !== "json" ? given : asJson,
    refused,
  );
  const words = html`<span>${own(label)}${required && html` <span class="needed">(needed)</span>`}</span>${help !== null && html`<span class="help">${own(help)}</span>`}${wrong}`;
  const labelled = (input: Html) => html`<label>${words} ${input}</label>`;
  switch (type) {
    case "group":
      return html`<fieldset><legend>${own(label)}</legend>${help !== null && html`<p class="help">${own(help)}</p>`}
        ${(field.fields ?? []).map((one) => forceField(one, field.name === null ? before : `${name}.`, refused))}</fieldset>`;
    case "fixed":
      return html`<p>${own(label)}: <code dir="auto">${given}</code></p>`;
    case "codebase":
      return codebase(field, refused);
    case "boolean": {
      const checked = refused === undefined ? field.default === true : value === "true";
      return html`<label class="tick"><input type="checkbox" name=${name} value="true" checked=${checked} /> ${words}</label>`;
    }
    case "int":
      return labelled(
        html`<input type="number" name=${name} value=${value} min=${limits["min"]} max=${limits["max"]} step="1" aria-invalid=${invalid} required=${required} />`,
      );
    case "choice":
    case "worker":
      return labelled(html`<select name=${name} required=${required} aria-invalid=${invalid}>
        ${!required && html`<option value=""></option>`}
        ${(choices ?? []).map((one) => html`<option value=${JSON.stringify(one.value)} selected=${JSON.stringify(one.value) === value}>${one.label}</option>`)}</select>`);
    case "choices": {
      const before = Array.isArray(field.default) ? field.default.map((one) => JSON.stringify(one)) : [];
      const chosen = new Set(refused === undefined ? before : refused.fields.getAll(name));
      const list = choices ?? [];
      return labelled(html`<select name=${name} multiple size=${Math.min(8, list.length)} aria-invalid=${invalid}>
        ${list.map((one) => html`<option value=${JSON.stringify(one.value)} selected=${chosen.has(JSON.stringify(one.value))}>${one.label}</option>`)}</select>`);
    }
    case "string":
    case "revision":
      return labelled(
        html`<input name=${name} value=${value} required=${required} aria-invalid=${invalid} maxlength=${limits["maxLength"]} minlength=${limits["minLength"]} />`,
      );
    case "text":
      return labelled(
        html`<textarea name=${name} rows="4" cols="50" required=${required} aria-invalid=${invalid} value=${value}></textarea>`,
      );
    case "file":
      return labelled(
        html`<input type="file" name=${name} required=${required} aria-invalid=${invalid} />${refused !== undefined && value !== "" && html`<span class="help">It has to be chosen again.</span>`}`,
      );
    default:
      return labelled(
        html`<textarea name=${name} rows="2" cols="40" aria-invalid=${invalid} value=${value}></textarea>`,
      );
  }
}

function codebase({ name, label, help, default: source, choices, limits }: FormField, refused?: Refused): Html {
  const ask = (limits?.["ask"] ?? []) as string[];
  const given = (source ?? {}) as Record<string, string | null>;
  return html`<fieldset><legend>${own(label || "Source")}</legend>${help !== null && html`<p class="help">${own(help)}</p>`}
    ${ask.map((part) => {
      const { value, invalid, wrong, ...field } = filled(`${CODEBASE}${part}.${name}`, given[part] ?? "", refused);
      if (part === "branch" && choices !== undefined)
        return html`<label>branch ${wrong} <select name=${field.name} aria-invalid=${invalid}>${choices.map(({ value: one, label }) => html`<option value=${String(one)} selected=${one === value}>${label}</option>`)}</select></label>`;
      return html`<label>${part} ${wrong} <input name=${field.name} value=${value} aria-invalid=${invalid} /></label>`;
    })}</fieldset>`;
}
