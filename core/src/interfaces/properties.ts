import { faults } from "../errors/catalogue.ts";
import type { Json } from "./values.ts";

/** A named value of a build and where it came from, such as `"Change"`, `"Scheduler"`, `"git checkout"`. */
export interface Property {
  value: Json;
  source: string;
}

/** The properties of one running build. */
export interface Properties {
  has(name: string): boolean;
  /** The value, or `undefined`. */
  get(name: string): Json | undefined;
  source(name: string): string | undefined;
  /** Kept with the build; visible to later steps at once. `source` defaults to the step's name. */
  set(name: string, value: Json, source?: string): void;
  all(): Record<string, Property>;
}

/** What a function in an option is given to compute its value from. */
export interface RenderContext {
  readonly properties: Properties;
  readonly build: import("./build-step.ts").BuildInfo;
  secret(name: string): Promise<string>;
}

const RENDER = Symbol.for("belfry.render");
const SAME = Symbol.for("belfry.render.same");

/** A value computed for each build. Made by `interpolate`, `property` and `secret`, or by `renderable`. */
export interface Renderable<T> {
  readonly [RENDER]: (ctx: RenderContext) => T | Promise<T>;
  /** How a configuration is shown, such as `${prop:branch}`. */
  toJSON(): Json;
}

/** `T` with every renderable and function in it replaced by what it computes. */
export type Rendered<T> =
  T extends Renderable<infer V>
    ? V
    : T extends (ctx: RenderContext) => infer V
      ? Awaited<V>
      : T extends readonly (infer E)[]
        ? Rendered<E>[]
        : T extends object
          ? { [K in keyof T]: Rendered<T[K]> }
          : T;

/** A value, or how to compute it for each build. */
export type Renders<T> = T | Renderable<T> | ((ctx: RenderContext) => T | Promise<T>);

export function renderable<T>(label: string, compute: (ctx: RenderContext) => T | Promise<T>): Renderable<T> {
  return { [RENDER]: compute, toJSON: () => ({ $render: label }) };
}

/** Of one of core's own renderables, a text that tells it wholly; `undefined` if there is a function in it. */
export function wholeText(value: Renderable<unknown>): string | undefined {
  return (value as { [SAME]?: string })[SAME];
}

function told<T>(made: Renderable<T>, text: string | undefined): Renderable<T> {
  return text === undefined ? made : Object.defineProperty(made, SAME, { value: text });
}

export function isRenderable(value: unknown): value is Renderable<unknown> {
  return typeof value === "object" && value !== null && RENDER in value;
}

/** A build's property; `fallback` if it is not set. Without a fallback a missing one is an error. */
export function property(name: string, fallback?: Json): Renderable<Json> {
  const made = renderable(`property ${name}`, ({ properties }) => {
    const value = properties.get(name);
    if (value !== undefined) return value;
    if (fallback !== undefined) return fallback;
    throw faults.propertyMissing(name);
  });
  return told(made, JSON.stringify(["property", name, fallback]));
}

/** A secret by name, masked in everything that the build writes. */
export function secret(name: string): Renderable<string> {
  return told(
    renderable(`secret ${name}`, (ctx) => ctx.secret(name)),
    JSON.stringify(["secret", name]),
  );
}

/**
 * A text with values of the build in it:
 * ``interpolate`dist/${property("branch")}-${(b) => b.build.number}.tgz` ``.
 * `null` and `undefined` become nothing; objects become JSON.
 */
export function interpolate(
  texts: TemplateStringsArray,
  ...values: (Json | Renderable<unknown> | ((ctx: RenderContext) => unknown))[]
): Renderable<string> {
  const label = texts.raw
    .map((text, i) => text + (i < values.length ? `\${${isRenderable(values[i]) ? describe(values[i]) : "…"}}` : ""))
    .join("");
  const made = renderable(label, async (ctx) => {
    let text = texts[0] ?? "";
    for (const [i, value] of values.entries()) text += asText(await render(value, ctx)) + (texts[i + 1] ?? "");
    return text;
  });
  const parts = values.map((value) => (isRenderable(value) ? wholeText(value) : plainText(value)));
  return told(made, parts.includes(undefined) ? undefined : JSON.stringify(["interpolate", texts, parts]));
}

function plainText(value: unknown): string | undefined {
  return typeof value === "object" || typeof value === "function" ? undefined : `= ${JSON.stringify(value)}`;
}

function describe(value: unknown): string {
  const shown = isRenderable(value) ? value.toJSON() : null;
  return shown !== null && typeof shown === "object" && "$render" in shown ? String(shown.$render) : "…";
}

function asText(value: unknown): string {
  if (value === null || value === undefined) return "";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** Replaces renderables and functions in a value, however deep. Plain parts are copied. */
export async function render<T>(value: T, ctx: RenderContext): Promise<Rendered<T>> {
  return (await renderAny(value, ctx)) as Rendered<T>;
}

async function renderAny(value: unknown, ctx: RenderContext): Promise<unknown> {
  if (isRenderable(value)) return renderAny(await value[RENDER](ctx), ctx);
  if (typeof value === "function") return renderAny(await value(ctx), ctx);
  if (Array.isArray(value)) return Promise.all(value.map((item) => renderAny(item, ctx)));
  if (isPlainObject(value)) {
    const entries = Object.entries(value).map(async ([key, item]) => [key, await renderAny(item, ctx)] as const);
    return Object.fromEntries(await Promise.all(entries));
  }
  return value;
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
