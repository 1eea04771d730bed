import { setFlagsFromString } from "node:v8";

/** Those whose flag is known to be the same; others complain about flags that they do not know. */
const KNOWN = ["12", "13", "14"];

/**
 * Keeps V8 from making more room for young objects until the answer is called. What a start loads lives on, so that V8
 * takes it for a program that makes much at once and keeps 20 MB more for ever; a farm that builds gets that room later.
 */
export function holdRoomForYoungObjects(): () => void {
  const [major = ""] = process.versions.v8.split(".");
  if (!KNOWN.includes(major)) return () => {};
  setFlagsFromString("--semi-space-growth-factor=1");
  return () => setFlagsFromString("--semi-space-growth-factor=2");
}
