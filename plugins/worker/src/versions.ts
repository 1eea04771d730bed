import { readFileSync } from "node:fs";
import { version } from "belfry";

/** Grows when the messages between master and spawner change. */
const PROTOCOL = 1;

const own = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { version: string };

/** A master takes over no spawner that another version has started. */
export const versions = `belfry ${version}, worker ${own.version}, protocol ${PROTOCOL}`;
