// Placeholder until the real masker lands; overwrite it.
export interface Masker {
  mask(chunk: Uint8Array): Uint8Array;
  flush(): Uint8Array;
}
export interface SecretSet {
  add(secret: string): void;
  readonly empty: boolean;
  masker(): Masker;
  text(value: string): string;
  json(value: unknown): unknown;
}
export function createSecretSet(): SecretSet {
  const all = new Set<string>();
  const text = (value: string) => [...all].reduce((t, s) => t.replaceAll(s, "****"), value);
  return {
    add: (secret) => void all.add(secret),
    get empty() {
      return all.size === 0;
    },
    masker: () => ({ mask: (chunk) => chunk, flush: () => new Uint8Array() }),
    text,
    json: (value) => JSON.parse(text(JSON.stringify(value))),
  };
}
