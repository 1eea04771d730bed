import { type ApiMethod, type PluginHost, TOKENS, z } from "belfry";
import { faults } from "./errors.ts";
import { hashOfKey, newKey } from "./keys.ts";
import { method, requireInternal, unlessGone } from "./method.ts";
import { ADMINISTRATOR, userName } from "./options.ts";
import { personRecord } from "./people.ts";
import { type Session, Sessions, sessionFacts } from "./sessions.ts";

/** A link is good for so long. */
export const LINK_MILLIS = 600_000;
/** What the process that serves the pages tells the one that writes. */
const HERE = "here";

interface Here {
  url: string | null;
  users: string[];
}

const id = z.string().regex(/^[0-9a-f]{64}$/);

const sessionShape = z.object({
  id: z.string(),
  user: z.string(),
  groups: z.array(z.string()),
  via: sessionFacts.via,
  administrator: z.boolean().describe("whether it came of a link of the administrator's"),
  from: z.string().nullable().describe("the address that signed in"),
  createdAt: z.number(),
  usedAt: z.number(),
  endsAt: z.number(),
});

/** The audit shows parameters: none is called a password, though it were only the mark of one. */
const { password: _mark, ...factsOfAll } = sessionFacts;

/** Sessions and links. They are carried out where the database may be written, whichever process serves the pages. */
export function sessionMethods({ store, container }: PluginHost): ApiMethod[] {
  const sessions = new Sessions(store);
  const now = () => container.resolve(TOKENS.clock).now();
  const here = async () => (await store.get(HERE))?.value as unknown as Here | undefined;
  return [
    method({
      name: "sessions.add",
      permission: "admin",
      summary: "Begins a session for somebody who has shown who he is; called by the pages, as him.",
      params: z.strictObject({
        id,
        ...factsOfAll,
        mark: z
          .string()
          .nullable()
          .describe("of the password that it begins with, which ends it when there is another"),
        idle: z.int().positive(),
        longest: z.int().positive(),
      }),
      result: z.object({ id: z.string() }),
      example: {
        id: "0".repeat(64),
        user: "ada",
        groups: [],
        via: "password",
        administrator: false,
        mark: null,
        from: "192.0.2.7",
        idle: 43_200_000,
        longest: 1_209_600_000,
      },
      async call({ longest, mark, ...facts }) {
        const at = now();
        const { user, groups, via, administrator } = facts;
        // Who comes by a link of the administrator's is nobody in particular.
        const known = administrator ? [] : [personRecord({ user, groups, via, seenAt: at })];
        await sessions.add({ ...facts, password: mark, createdAt: at, usedAt: at, endsAt: at + longest }, known);
        return { id: facts.id };
      },
    }),
    method({
      name: "sessions.find",
      permission: "read",
      summary: "The session of an id, if it is good; for the master itself.",
      params: z.strictObject({ id }),
      result: z.object({
        session: sessionShape.extend({ idle: z.number(), password: z.string().nullable() }).nullable(),
      }),
      example: { id: "0".repeat(64) },
      async call({ id: asked }, { caller }) {
        requireInternal("sessions.find", caller);
        return { session: (await sessions.get(asked)) ?? null };
      },
    }),
    method({
      name: "sessions.touch",
      permission: "read",
      place: "writer",
      summary: "Notes that a session is in use; for the master itself.",
      params: z.strictObject({ id }),
      result: z.object({ id: z.string() }),
      example: { id: "0".repeat(64) },
      async call({ id: asked }, { caller }) {
        requireInternal("sessions.touch", caller);
        const session = await sessions.get(asked);
        if (session !== undefined) await sessions.touch(session, now()).catch(unlessGone);
        return { id: asked };
      },
    }),
    method({
      name: "sessions.end",
      permission: "admin",
      summary: "Ends a session, or all of a user, at once.",
      params: z
        .strictObject({ id: id.optional(), user: z.string().optional() })
        .refine((params) => (params.id === undefined) !== (params.user === undefined), "give `id` or `user`"),
      result: z.object({ ended: z.int() }),
      example: { user: "ada" },
      async call({ id: one, user }) {
        const found = one === undefined ? await sessions.list(user) : [await sessions.get(one)];
        const ids = found.filter((session) => session !== undefined).map((session) => session.id);
        await sessions.end(ids);
        return { ended: ids.length };
      },
    }),
    method({
      name: "sessions.list",
      permission: "admin",
      summary: "Who is signed in, newest first.",
      params: z.strictObject({ user: z.string().optional() }),
      result: z.object({ items: z.array(sessionShape) }),
      example: {},
      async call({ user }) {
        const found = await sessions.list(user);
        const items = found
          .sort((a, b) => b.createdAt - a.createdAt)
          .map(({ idle: _, password: __, ...session }: Session) => session);
        return { items };
      },
    }),
    method({
      name: "people.note",
      permission: "read",
      place: "writer",
      summary: "Notes that somebody was here, whose tokens rest when he stays away; for the master itself.",
      params: z.strictObject({ user: userName, groups: sessionFacts.groups, via: sessionFacts.via }),
      result: z.object({}),
      example: { user: "ada", groups: [], via: "proxy" },
      async call(facts, { caller }) {
        requireInternal("people.note", caller);
        await store.apply({ put: [personRecord({ ...facts, seenAt: now() })] });
        return {};
      },
    }),
    method({
      name: "links.add",
      permission: "admin",
      summary: "Makes a link that signs in once, within 10 minutes: the administrator, or this user.",
      params: z.strictObject({ user: userName.optional() }),
      result: z.object({
        url: z.string().nullable().describe("null while no pages are served"),
        path: z.string().describe("behind the address of the pages"),
        user: z.string(),
        expiresAt: z.number(),
      }),
      example: {},
      async call({ user }) {
        const where = await here();
        if (user !== undefined && where !== undefined && !where.users.includes(user)) throw faults.userUnknown(user);
        const key = newKey();
        const expires = now() + LINK_MILLIS;
        await store.apply({ put: [{ key: `link/${hashOfKey(key)}`, value: { user: user ?? null }, expires }] });
        const path = `/login/link?key=${key}`;
        const url = where?.url ? where.url + path : null;
        return { url, path, user: user ?? ADMINISTRATOR, expiresAt: expires };
      },
    }),
    method({
      name: "links.use",
      permission: "admin",
      summary: "Uses a link up, so that it is good no more; called by the pages.",
      params: z.strictObject({ id }),
      result: z.object({ user: z.string().nullable() }),
      example: { id: "0".repeat(64) },
      async call({ id: asked }) {
        const key = `link/${asked}`;
        const record = await store.get(key);
        if (record === undefined) throw faults.linkUsed();
        await store.apply({ take: [key] }).catch((error) => {
          unlessGone(error);
          throw faults.linkUsed();
        });
        return record.value as unknown as { user: string | null };
      },
    }),
    method({
      name: "links.here",
      permission: "read",
      place: "writer",
      summary: "Notes where the pages are; for the master itself.",
      params: z.strictObject({ url: z.string().nullable(), users: z.array(z.string()) }),
      result: z.object({}),
      example: { url: null, users: [] },
      async call(value, { caller }) {
        requireInternal("links.here", caller);
        const known = await here();
        if (JSON.stringify(known) !== JSON.stringify(value)) await store.apply({ put: [{ key: HERE, value }] });
        return {};
      },
    }),
  ];
}
