import { faults } from "./errors.ts";

/** No form has so many; to read a body of nothing but parts holds the event loop for as long as 100 ms. */
const MOST_PARTS = 500;

/**
 * The fields of a form as a browser sends it. A file that was chosen is the JSON of its name and its content in base64;
 * where none was chosen the field is empty.
 */
export async function formFields(type: string, body: Buffer): Promise<URLSearchParams> {
  const kind = type.split(";")[0]?.trim().toLowerCase();
  if (kind === "application/x-www-form-urlencoded") return new URLSearchParams(body.toString());
  if (kind !== "multipart/form-data")
    throw faults.formBroken("It is neither application/x-www-form-urlencoded nor multipart/form-data.");
  // Each part has one. Whoever sends them need not be known yet.
  if ((body.toString("latin1").match(/content-disposition/gi)?.length ?? 0) > MOST_PARTS)
    throw faults.formBroken(`It has more than ${MOST_PARTS} parts.`);
  const data = await new Response(new Uint8Array(body), { headers: { "Content-Type": type } })
    .formData()
    .catch(() => undefined);
  if (data === undefined) throw faults.formBroken("Its parts cannot be told from each other.");
  const given: [string, string | File][] = [];
  data.forEach((value, name) => {
    given.push([name, value]);
  });
  const fields = new URLSearchParams();
  for (const [name, value] of given) fields.append(name, typeof value === "string" ? value : await fileText(value));
  return fields;
}

async function fileText(file: File): Promise<string> {
  if (file.name === "" && file.size === 0) return "";
  const base64 = Buffer.from(await file.arrayBuffer()).toString("base64");
  return JSON.stringify({ name: file.name, base64 });
}
