import type { Api, Caller, CoreMethods } from "belfry";

type Builder = Required<CoreMethods["builders.list"]["result"]["items"][number]>;
type Build = NonNullable<Builder["lastBuild"]>;

/** What is asked for; an empty list is no filter. */
export interface Filter {
  builders: readonly string[];
  tags: readonly string[];
  branches: readonly string[];
}

/** A builder as the feed shows it. */
export interface Project {
  name: string;
  building: boolean;
  /** Its last build that has ended. */
  last: Build | null;
}

const PAGE = 500;

export function readFilter(querystring: string): Filter {
  const query = new URLSearchParams(querystring);
  const all = (name: string) => [...new Set(query.getAll(name))].filter((value) => value !== "");
  return { builders: all("builder"), tags: all("tag"), branches: all("branch") };
}

/** The configured builders that the caller sees and asks for, in the configuration's order. */
export async function overview(api: Api, caller: Caller, signal: AbortSignal, filter: Filter): Promise<Project[]> {
  const wanted = new Set(filter.builders);
  const fits = ({ name, tags }: Builder) =>
    (wanted.size === 0 || wanted.has(name)) &&
    (filter.tags.length === 0 || filter.tags.some((tag) => tags.includes(tag)));
  if (filter.branches.length === 0)
    return (await builders(undefined)).map(({ name, running, lastBuild }) => ({
      name,
      building: running.length > 0,
      last: lastBuild,
    }));

  const projects = new Map<string, Project & { position: number }>();
  for (const branch of filter.branches) {
    for (const { name, running, lastBuild, position } of await builders(branch)) {
      // Who never built the branch is not asked for.
      if (running.length === 0 && lastBuild === null) continue;
      const known = projects.get(name);
      projects.set(name, {
        name,
        building: running.length > 0 || known?.building === true,
        last: later(known?.last ?? null, lastBuild),
        position: position ?? 0,
      });
    }
  }
  // Each branch told of its own builders in order; together they are not.
  return [...projects.values()].sort((a, b) => a.position - b.position);

  async function builders(branch: string | undefined): Promise<Builder[]> {
    const found: Builder[] = [];
    for (let cursor: string | undefined; ; ) {
      const params = {
        configured: true,
        include: ["lastBuild", "running"],
        limit: PAGE,
        ...(branch !== undefined && { branch }),
        ...(cursor !== undefined && { cursor }),
      };
      const page = (await api.call("builders.list", params, caller, signal)) as CoreMethods["builders.list"]["result"];
      found.push(...(page.items as Builder[]).filter(fits));
      if (page.next === null) break;
      cursor = page.next;
    }
    return found.sort((a, b) => (a.position ?? 0) - (b.position ?? 0));
  }
}

function later(a: Build | null, b: Build | null): Build | null {
  if (a === null || b === null) return a ?? b;
  return (a.finishedAt ?? 0) >= (b.finishedAt ?? 0) ? a : b;
}
