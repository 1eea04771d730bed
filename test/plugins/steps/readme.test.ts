import * as steps from "@belfry/steps";
import { readmeAgrees } from "../readme-agrees.ts";

readmeAgrees("steps", steps);
