import type { Json } from "belfry";
import type { Builder, Reader } from "../reader.ts";

export async function builderObject(builder: Builder, reader: Reader, cachedBuilds: number): Promise<Json> {
  const [online, schedulers] = await Promise.all([reader.online(), reader.schedulersOf()]);
  const idle = builder.workers.some((name) => online.has(name)) ? "idle" : "offline";
  const running = builder.running.map(({ number }) => number);
  const newest = Math.max(0, builder.lastBuild?.number ?? 0, ...running);
  const oldest = Math.max(1, newest - cachedBuilds + 1);
  const cached = Array.from({ length: newest - oldest + 1 }, (_, i) => oldest + i);
  return {
    basedir: builder.name.replace(/[^A-Za-z0-9_+.-]/g, "_"),
    category: builder.tags[0] ?? null,
    tags: builder.tags,
    slaves: builder.workers,
    schedulers: schedulers.get(builder.name) ?? [],
    cachedBuilds: ascending([...new Set([...cached, ...running])]),
    currentBuilds: ascending(running),
    state: running.length > 0 ? "building" : idle,
    pendingBuilds: builder.pending,
  };
}

function ascending(numbers: number[]): number[] {
  return numbers.sort((a, b) => a - b);
}
