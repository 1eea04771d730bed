import { type Api, BelfryError, type Caller, type Json } from "belfry";

/** Answers of the API by question: the method's name, a space, and its parameters as JSON with sorted keys. */
export type Recording = Record<string, Json>;

/** An API that notes what it is asked and what it answered, so that pages can be shown again without it. */
export function recordApi(api: Api): { api: Api; recording: Recording } {
  const recording: Recording = {};
  return {
    recording,
    api: {
      methods: () => api.methods(),
      authenticate: (token) => api.authenticate(token),
      anonymous: () => api.anonymous(),
      callerOf: (facts) => api.callerOf(facts),
      async call(name, params, caller, signal) {
        const answer = await api.call(name, params, caller, signal);
        // Where the stream of events stands means nothing to a recording.
        if (name !== "events.since") recording[question(name, params)] = answer;
        return answer;
      },
    },
  };
}

/** An API that has nothing but a recording: everybody may read it, and nobody may do anything. */
export function recordedApi(recording: Recording): Api {
  return {
    methods: () => [],
    authenticate: async () => undefined,
    anonymous: (): Caller => ({ name: "anonymous", kind: "anonymous", scopes: new Set(["read"]), visible: null }),
    callerOf: ({ name, kind, scopes }) => ({ name, kind, scopes: new Set(scopes), visible: null }),
    async call(name, params) {
      const asked = question(name, params);
      if (!Object.hasOwn(recording, asked)) throw notRecorded(asked);
      return recording[asked] as Json;
    },
  };
}

function question(name: string, params: unknown): string {
  return `${name} ${JSON.stringify(sorted(params))}`;
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(([, one]) => one !== undefined);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, one]) => [key, sorted(one)]));
}

function notRecorded(asked: string): BelfryError {
  return new BelfryError("BELFRY_NOT_FOUND", {
    what: "This is not in the recording.",
    why: `Nobody asked for it while it was made: ${asked.slice(0, 500)}`,
    fix: "Look at another page.",
  });
}
