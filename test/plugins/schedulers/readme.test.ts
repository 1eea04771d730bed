import * as schedulers from "@belfry/schedulers";
import { readmeAgrees } from "../readme-agrees.ts";

readmeAgrees("schedulers", schedulers);
