/** Secrets shorter than this would blacken everything. */
export const SHORTEST_SECRET = 3;
const SHORTEST_LINE = 4;

/**
 * Everything that a secret may look like in a log: as it is, each of its lines, and all of these in base64 (at each of the
 * three places it can begin in a group, both alphabets, and broken into lines as `base64` and PEM do), percent-encoded and as
 * in a JSON string. A form is a string of bytes, one character a byte.
 */
export function secretForms(secret: string): Set<string> {
  const forms = new Set<string>();
  for (const text of plainForms(secret)) {
    for (const form of [text, ...percentForms(text), ...jsonForms(text)])
      put(forms, Buffer.from(form).toString("latin1"));
    for (const form of base64Forms(Buffer.from(text))) put(forms, form);
  }
  return forms;
}

function put(forms: Set<string>, form: string): void {
  if (form.length >= SHORTEST_SECRET) forms.add(form);
}

function plainForms(secret: string): Set<string> {
  const whole = secret.toWellFormed();
  if (whole.length < SHORTEST_SECRET) return new Set();
  const forms = new Set([whole]);
  if (whole.trim().length >= SHORTEST_SECRET) forms.add(whole.trim());
  const lines = whole.split(/\r\n|\r|\n/);
  if (lines.length > 1) {
    for (const line of lines) {
      if (line.length >= SHORTEST_LINE) forms.add(line);
      if (line.trim().length >= SHORTEST_LINE) forms.add(line.trim());
    }
  }
  return forms;
}

function percentForms(text: string): string[] {
  const component = encodeURIComponent(text);
  const strict = component.replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
  const form = new URLSearchParams([["", text]]).toString().slice(1);
  const forms = [component, strict, form, strict.replaceAll("%2F", "/"), encodeURI(text)];
  return [...forms, ...forms.map((one) => one.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()))];
}

function jsonForms(text: string): string[] {
  const json = JSON.stringify(text).slice(1, -1);
  const ascii = json.replace(/[\u007f-\uffff]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
  const forms = [json, ascii];
  return [...forms, ...forms.map((one) => one.replaceAll("/", "\\/")), JSON.stringify(json).slice(1, -1)];
}

function base64Forms(bytes: Buffer): Set<string> {
  const forms = new Set<string>();
  for (let before = 0; before < 3; before += 1) {
    const whole = Buffer.concat([Buffer.alloc(before), bytes, Buffer.alloc(2)]).toString("base64");
    // Only the characters whose six bits all come from the secret.
    const from = Math.ceil((before * 8) / 6);
    const to = Math.floor(((before + bytes.length) * 8) / 6);
    const form = whole.slice(from, to);
    forms.add(form);
    forms.add(form.replaceAll("+", "-").replaceAll("/", "_"));
    if (before > 0) continue;
    for (const width of [64, 76]) {
      if (form.length <= width) continue;
      for (let at = 0; at < form.length; at += width) if (form.length - at >= 16) forms.add(form.slice(at, at + width));
    }
  }
  return forms;
}
