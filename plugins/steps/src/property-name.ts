import { z } from "belfry";

export const propertyName = z.string().min(1).max(256);
