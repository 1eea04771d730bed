import { faults } from "../errors/catalogue.ts";
import type { SecretProvider } from "../interfaces/secret-provider.ts";

/** Asks the providers in their order for a secret. */
export async function findSecret(
  providers: readonly { name: string; part: SecretProvider }[],
  name: string,
  signal: AbortSignal,
  onError: (provider: string, error: unknown) => void,
): Promise<string> {
  for (const { name: provider, part } of providers) {
    let value: string | undefined;
    try {
      value = await part.get(name, signal);
    } catch (error) {
      signal.throwIfAborted();
      onError(provider, error);
      throw faults.secretFailed(name, error);
    }
    if (value !== undefined) return value;
  }
  throw faults.secretUnknown(name);
}
