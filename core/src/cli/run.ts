// The program from its sources, for this repository: `node --conditions=source core/src/cli/run.ts …`.
import { main } from "./main.ts";

await main(process.argv.slice(2));
