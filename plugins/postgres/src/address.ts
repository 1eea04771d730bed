import pg from "pg";
import { faults } from "./errors.ts";

/** Where the server is, checked; without it the standard PG… variables of the environment count. */
export interface Address {
  connectionString?: string;
  /** Host and port for messages, without user and password. */
  where: string;
  /** The same with user and database, and without the password, for tools of the server. */
  shown: string;
}

/** Throws BELFRY_POSTGRES_URL where the driver would read a part of the password as something else. */
export function addressOf(url: string | undefined): Address {
  if (url !== undefined && !url.startsWith("/") && !url.startsWith("socket:")) check(url);
  let client: pg.Client;
  try {
    client = new pg.Client(url === undefined ? {} : { connectionString: url });
  } catch {
    throw faults.url();
  }
  const { host, port } = client;
  const where = host.startsWith("/")
    ? `${host}/.s.PGSQL.${port}`
    : `${host.includes(":") ? `[${host}]` : host}:${port}`;
  const shown = shownUrl(client);
  return url === undefined ? { where, shown } : { connectionString: url, where, shown };
}

function shownUrl({ host, port, user, database }: pg.Client): string {
  const [name, path] = [encodeURIComponent(user ?? ""), encodeURIComponent(database ?? "")];
  if (host.startsWith("/")) return `postgresql://${name}@/${path}?host=${encodeURIComponent(host)}&port=${port}`;
  return `postgresql://${name}@${host.includes(":") ? `[${host}]` : host}:${port}/${path}`;
}

function check(url: string): void {
  const parsed = URL.parse(url);
  if (!parsed || !/^postgres(ql)?:$/.test(parsed.protocol)) throw faults.url();
  // A password that is not encoded ends the host early; what follows holds the @ that was meant.
  if (`${parsed.pathname}${parsed.search}${parsed.hash}`.includes("@") || parsed.hash !== "") throw faults.url();
}
