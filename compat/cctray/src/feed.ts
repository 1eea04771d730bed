import type { Result } from "belfry";
import type { Project } from "./overview.ts";

const STATUS: Record<Result, "Success" | "Failure" | "Exception" | "Unknown"> = {
  success: "Success",
  warnings: "Success",
  failure: "Failure",
  exception: "Exception",
  cancelled: "Exception",
  retry: "Exception",
  skipped: "Unknown",
};

/**
 * The feed. While a builder builds, status, label and time stay those of its last build that has
 * ended, so that a reader sees "was red, builds". `since` is the time of those that never built: the
 * feed must have one.
 */
export function feed(projects: readonly Project[], webUrl: string, since: number): string {
  const base = webUrl.replace(/\/*$/, "");
  const lines = projects.map(({ name, building, last }) => {
    const attributes = {
      name,
      activity: building ? "Building" : "Sleeping",
      lastBuildStatus: last?.result ? STATUS[last.result] : "Unknown",
      ...(last !== null && { lastBuildLabel: String(last.number) }),
      lastBuildTime: utc(last?.finishedAt ?? since),
      webUrl: `${base}/builders/${encodeURIComponent(name.toWellFormed())}`,
    };
    return `  <Project ${Object.entries(attributes)
      .map(([key, value]) => `${key}="${escaped(value)}"`)
      .join(" ")}/>\n`;
  });
  return `<?xml version="1.0" encoding="UTF-8"?>\n<Projects>\n${lines.join("")}</Projects>\n`;
}

/** `2026-11-23T06:40:00Z`: without a zone, or with a fraction, some readers take it for something else. */
function utc(millis: number): string {
  return `${new Date(millis).toISOString().slice(0, 19)}Z`;
}

const ENTITIES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

/** Fit for an attribute's value; what XML cannot have at all becomes U+FFFD. */
function escaped(text: string): string {
  return text
    .toWellFormed()
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "\ufffd")
    .replace(/[&<>"]/g, (found) => ENTITIES[found] ?? found)
    .replace(/[\t\n\r]/g, (found) => `&#${found.charCodeAt(0)};`);
}
