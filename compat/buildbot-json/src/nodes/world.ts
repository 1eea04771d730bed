import type { BuildbotJsonOptions } from "../options.ts";
import type { Query } from "../query.ts";
import type { Reader } from "../reader.ts";
import type { Site } from "../site.ts";

/** What the nodes of one answer have in common. */
export interface World {
  readonly reader: Reader;
  readonly site: Site;
  readonly query: Query;
  readonly options: BuildbotJsonOptions;
}
