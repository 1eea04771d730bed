/** Any JSON value as text. */
export function valueText(value: unknown): string {
  return typeof value === "string" ? value : (JSON.stringify(value) ?? "");
}

/** What an error that was kept says; its form is its plugin's own. */
export function errorText(error: unknown): string {
  if (typeof error === "object" && error !== null) {
    const { what, message } = error as { what?: unknown; message?: unknown };
    if (typeof message === "string") return message;
    if (typeof what === "string") return what;
  }
  return valueText(error);
}
