import pg from "pg";
import { faults } from "./errors.ts";

/** Where the server is, checked; without it the standard PG… variables of the environment count. */
export interface Address {
  connectionString?: string;
  /** Host and port for messages, without user and password. */
  where: string;
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
  return url === undefined ? { where } : { connectionString: url, where };
}

function check(url: string): void {
  const parsed = URL.parse(url);
  if (!parsed || !/^postgres(ql)?:$/.test(parsed.protocol)) throw faults.url();
  // A password that is not encoded ends the host early; what follows holds the @ that was meant.
  if (`${parsed.pathname}${parsed.search}${parsed.hash}`.includes("@") || parsed.hash !== "") throw faults.url();
}
