import type { Dialect } from "belfry";
import { isConnectionLost, isUniqueViolation } from "./failures.ts";

export const dialect: Dialect = {
  name: "sqlite",
  // SQLite's clock counts milliseconds; rounding undoes what the division by 1000 lost.
  nowMillis: "cast(round(unixepoch('subsec') * 1000) as integer)",
  lockForShare: "",
  lockForUpdate: "",
  isUniqueViolation,
  isConnectionLost,
};
