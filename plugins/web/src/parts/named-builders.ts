import type { View } from "../extension.ts";

export interface Named {
  name: string;
  project: string;
  tags: string[];
  paused: boolean;
  /** Its place in the configuration. */
  position: number | null;
}

/** Every builder that the reader may see, in the order of names. */
export async function named(view: View): Promise<Named[]> {
  const found: Named[] = [];
  for (let cursor: string | undefined; ; ) {
    const { items, next } = await view.ask("builders.list", {
      configured: true,
      fields: ["name", "project", "tags", "paused", "position"],
      limit: 500,
      ...(cursor !== undefined && { cursor }),
    });
    found.push(...(items as Named[]));
    if (next === null) return found;
    cursor = next;
  }
}
