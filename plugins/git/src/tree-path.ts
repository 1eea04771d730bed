import { z } from "belfry";

/** A folder within the build's folder that may hold a work tree. */
export const treePath = z
  .string()
  .min(1)
  .max(500)
  .refine(
    (text) => text.split("/").every((part) => part !== ".." && part.toLowerCase() !== ".git"),
    'expected a path without ".." and ".git"',
  )
  .refine(
    (text) => !/^([/\\~-]|[A-Za-z]:)|[\p{Cc}\\]/u.test(text),
    "expected a path relative to the build's folder, with /",
  );
