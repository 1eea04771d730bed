import { definePlugin } from "belfry";
import { compile, warnings } from "./compile.ts";
import { copy } from "./copy.ts";
import { fail } from "./fail.ts";
import { mkdir } from "./mkdir.ts";
import { remove } from "./remove.ts";
import { setProperty } from "./set-property.ts";
import { setPropertyFromCommand } from "./set-property-from-command.ts";
import { shell } from "./shell.ts";
import { test } from "./test.ts";
import { trigger } from "./trigger.ts";

export type { CommandLine } from "./command-line.ts";
export type { Value } from "./set-property.ts";
export type { Extract } from "./set-property-from-command.ts";
export type { Text } from "./text.ts";
export { compile, copy, fail, mkdir, remove, setProperty, setPropertyFromCommand, shell, test, trigger, warnings };

export default definePlugin({
  name: "@belfry/steps",
  version: "0.1.0",
  parts: [shell, compile, test, warnings, setProperty, setPropertyFromCommand, mkdir, remove, copy, trigger, fail],
});
