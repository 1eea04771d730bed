import * as git from "@belfry/git";
import { readmeAgrees } from "../readme-agrees.ts";

readmeAgrees("git", git);
