// Writes core/API.md: `node --conditions=source test/tools/api-reference.ts`.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { CoreApi } from "../../core/src/api/core-api.ts";
import type { ApiDeps } from "../../core/src/api/deps.ts";
import { apiReference } from "../../core/src/api/reference.ts";
import type { ApiMethod } from "../../core/src/interfaces/api-method.ts";
import type { Logger } from "../../core/src/interfaces/logger.ts";
import { root } from "./packages.ts";

const ABOUT = `# The API of a master

Each method is defined once and is on every protocol: the master's socket (which the command line uses), JSON-RPC over
HTTP (\`@belfry/jsonrpc\`), and calls within the process. Plugins add methods of their own; \`api.methods\` lists what a
running master has, with schemas.

- A caller needs the scope that a method names: \`read\` to look, \`control\` to start and stop things, \`admin\` to change who
  may. The socket has all three. Over HTTP a token has those it was made with, and a caller without one has \`read\` if the
  configuration says \`access: { anonymous: "read" }\`. What a caller may not see is left out, or is not found.
- Parameters are an object. What is not in the tables is refused with \`BELFRY_PARAMS_INVALID\`.
- Times are milliseconds since 1970. \`integer\` is a whole number, \`Json\` any value. Ids are only good for asking again.
- A list gives at most \`limit\` items and \`next\`; give that back as \`cursor\` for the page after. \`fields\` picks fields.
- Errors have a \`code\`, see [README.md](README.md#errors). \`stable\` methods keep their names and shapes; new fields may come.

`;

/** Where the reference is. */
export const REFERENCE = join(root, "core/API.md");

/** Core's table of methods. None may be called: they have nothing to work on. */
export function coreMethods(): readonly ApiMethod[] {
  const nothing = { registry: () => ({ methods: [] }) } as unknown as ApiDeps;
  const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => quiet };
  return new CoreApi(nothing, quiet).methods();
}

/** The reference as it has to be. */
export const currentReference = (): string => ABOUT + apiReference(coreMethods());

if (process.argv[1] === fileURLToPath(import.meta.url)) await writeFile(REFERENCE, currentReference());
