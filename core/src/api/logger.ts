export type { Logger } from "../interfaces/logger.ts";
