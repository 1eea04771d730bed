import { faults } from "../errors/catalogue.ts";

/** Reads the number of a request, as `belfry requests` shows it. */
export function readRequest(command: string, word: string | undefined): number {
  if (word === undefined || !/^#?\d{1,15}$/.test(word))
    throw faults.usage(`\`belfry ${command}\` needs the number of a request, as \`belfry requests\` shows it.`);
  return Number(word.replace("#", ""));
}
