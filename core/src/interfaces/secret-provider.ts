/** Gives secrets by name. Asked when a build first needs one; several at once are possible. */
export interface SecretProvider {
  /** `undefined` if it does not know the name; the next provider is asked then. A throw fails the step that asked. */
  get(name: string, signal: AbortSignal): Promise<string | undefined>;
}
