import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { createMasker, createSecretSet } from "../../../core/src/logs/masker.ts";

const masker = suite("masker");

/** Sends the pieces through a masker; returns all that came out. */
function stream(secrets: readonly string[], pieces: readonly (string | Uint8Array)[]): string {
  const mask = createMasker();
  for (const secret of secrets) mask.add(secret);
  const output = pieces.map((piece) => Buffer.from(mask.mask(Buffer.from(piece))));
  return Buffer.concat([...output, mask.flush()]).toString();
}

masker("a secret becomes four stars, each time it occurs", () => {
  assert.is(stream(["hunter2"], ["pw=hunter2, again hunter2hunter2!"]), "pw=****, again ********!");
  assert.is(stream(["hunter2"], ["hunter2"]), "****");
  assert.is(stream(["hunter2"], ["hunter1 Hunter2"]), "hunter1 Hunter2");
});

masker("without secrets, and without anything to mask, the very same chunk comes back", () => {
  const mask = createMasker();
  const chunk = Buffer.from("hunter2");
  assert.is(mask.empty, true);
  assert.is(mask.mask(chunk), chunk);
  mask.add("other");
  assert.is(mask.empty, false);
  assert.is(mask.mask(chunk), chunk);
  assert.is(mask.flush().length, 0);
});

masker("only an end that may begin a secret is held back, and no byte more", () => {
  const mask = createMasker();
  mask.add("password");
  const take = (text: string) => Buffer.from(mask.mask(Buffer.from(text))).toString();
  assert.is(take("the pass"), "the ");
  assert.is(take("age pa"), "passage ");
  assert.is(take("ssword"), "****");
  assert.is(take("!"), "!");
  assert.is(take("pap"), "pa");
  assert.is(Buffer.from(mask.flush()).toString(), "p");
  assert.is(mask.flush().length, 0);
  assert.is(take("assword"), "assword");
});

masker("a secret may come byte by byte", () => {
  const text = "a correct horse battery staple b";
  assert.is(stream(["correct horse battery staple"], [...text]), "a **** b");
});

masker("secrets of fewer than three characters are ignored", () => {
  assert.is(stream(["", "a", "ab"], ["a ab aba"]), "a ab aba");
  assert.is(stream(["abc"], ["abc"]), "****");
  const set = createSecretSet();
  set.add("ab");
  assert.is(set.empty, true);
});

masker("secrets that overlap become one: nothing of either is left", () => {
  assert.is(stream(["password", "word123"], ["my password123."]), "my ****.");
  assert.is(stream(["password", "word123"], ["my password", "123."]), "my ****.");
  assert.is(stream(["password", "word123"], ["my password", "12."]), "my ****12.");
  assert.is(stream(["abc", "abcdef"], ["abcd", "efg"]), "****g");
  assert.is(stream(["abc", "abcdef"], ["abcd", "exg"]), "****dexg");
  assert.is(stream(["aaaa"], ["b", ..."aaaaaaaaaa", "b"]), "b****b");
});

masker("each line of a secret of several lines is masked too, from four characters on", () => {
  const key = "-----BEGIN KEY-----\r\nMIIEvQIBADANBg\nabc\nkqhkiG9w0BAQEF\n-----END KEY-----\n";
  assert.is(stream([key], [`x${key}y`]), "x****y");
  assert.is(stream([key], ["x MIIEvQIBADANBg y kqhkiG9w0BAQEF abc"]), "x **** y **** abc");
  assert.is(stream([key], [key.replaceAll("\r\n", "\n").replaceAll("\n", "\r\n")]).includes("kqhkiG9w"), false);
  assert.is(stream(["token\n"], ["Authorization: token!"]), "Authorization: ****!");
});

masker("base64 is masked wherever the secret stands in it, in both alphabets, and when it is broken into lines", () => {
  const secret = "s3cr3t?>~~ÿtoken??>>";
  for (let before = 0; before < 7; before += 1) {
    for (let after = 0; after < 4; after += 1) {
      const bytes = Buffer.concat([Buffer.alloc(before, "u"), Buffer.from(secret), Buffer.alloc(after, "v")]);
      for (const encoding of ["base64", "base64url"] as const) {
        const masked = stream([secret], [`<${bytes.toString(encoding)}>`]);
        assert.match(masked, /^<[\w=]*\*\*\*\*[\w=]*>$/);
        const left = masked.slice(1, -1).split("****");
        // At most the characters at either border, which hold bits of the neighbours.
        assert.ok((left[0] as string).length <= Math.ceil((before * 8) / 6), masked);
        assert.ok((left[1] as string).replaceAll("=", "").length <= Math.ceil((after * 8) / 6) + 1, masked);
      }
    }
  }
  const long = Array.from({ length: 40 }, (_, index) => `part-${index * 7919}`).join(" ");
  for (const width of [64, 76]) {
    const wrapped = Buffer.from(long)
      .toString("base64")
      .replace(new RegExp(`.{${width}}`, "g"), "$&\n");
    assert.match(stream([long], [wrapped]), /^(\*\*\*\*\n)+(\*\*\*\*)?.{0,16}$/);
  }
});

masker("percent-encoding is masked, as a component, as a form and in either case", () => {
  const secret = "p@ss/wörd + 100% (a!b)";
  const forms = [
    encodeURIComponent(secret),
    encodeURIComponent(secret).toLowerCase().replaceAll("%c3%b6", "%c3%b6"),
    encodeURIComponent(secret).replace(/[!()]/g, (char) => `%${char.charCodeAt(0).toString(16)}`),
    new URLSearchParams({ q: secret }).toString().slice(2),
    encodeURI(secret),
  ];
  for (const form of forms) assert.is(stream([secret], [`https://h/?q=${form}&x`]), "https://h/?q=****&x", form);
});

masker("a JSON string is masked, also in plain ASCII, and a JSON string in another", () => {
  const secret = 'li"ne\\1\n\tlïne2/\u0001';
  const json = JSON.stringify({ secret });
  const ascii = json.replace(/[\u007f-\uffff]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
  assert.is(stream([secret], [json]), '{"secret":"****"}');
  assert.is(stream([secret], [ascii]), '{"secret":"****"}');
  assert.is(stream([secret], [json.replaceAll("/", "\\/")]), '{"secret":"****"}');
  assert.is(stream([secret], [JSON.stringify(JSON.stringify(secret))]).includes("ne2"), false);
});

masker("a secret that is no well-formed Unicode does no harm", () => {
  assert.is(stream(["abc\ud800def"], ["abc and def"]), "abc and def");
});

masker("bytes around a secret come through unchanged, whatever they are", () => {
  const mask = createMasker();
  mask.add("secret");
  const noise = Buffer.from([0xff, 0, 0x80, 0xc3]);
  const masked = Buffer.concat([mask.mask(Buffer.concat([noise, Buffer.from("secret"), noise])), mask.flush()]);
  assert.is(masked.toString("hex"), Buffer.concat([noise, Buffer.from("****"), noise]).toString("hex"));
});

masker("a set may grow while streams run, and all its maskers know", () => {
  const set = createSecretSet();
  const [one, two] = [set.masker(), set.masker()];
  const take = (mask: typeof one, text: string) => Buffer.from(mask.mask(Buffer.from(text))).toString();
  assert.is(take(one, "alpha beta"), "alpha beta");
  set.add("alpha");
  assert.is(take(one, "alpha beta al"), "**** beta ");
  set.add("beta");
  assert.is(take(one, "pha beta "), "**** **** ");
  assert.is(take(two, "beta al"), "**** ");
  assert.is(Buffer.from(two.flush()).toString(), "al");
  one.add("gamma");
  assert.is(set.text("gamma"), "****");
});

masker("a text without secrets is the very same, also if it is no well-formed Unicode", () => {
  const set = createSecretSet();
  set.add("hunter2");
  assert.is(set.text("a\ud800b"), "a\ud800b");
  assert.is(set.text("ä hunter2 ö"), "ä **** ö");
  assert.is(set.text(""), "");
});

masker("a JSON value is masked in its depth, keys too, and is the very same when there is nothing to mask", () => {
  const set = createSecretSet();
  const value = { a: [1, "x hunter2", { hunter2: null, ok: true }], __proto__x: "hunter2" };
  assert.is(set.json(value), value);
  set.add("hunter2");
  assert.equal(set.json(value), { a: [1, "x ****", { "****": null, ok: true }], __proto__x: "****" });
  assert.equal(value.a[1], "x hunter2", "the value that was given is not changed");
  const clean = { a: ["x", { b: 1 }] };
  assert.is(set.json(clean), clean);
  const hostile = JSON.parse('{"__proto__":"hunter2"}');
  assert.is(JSON.stringify(set.json(hostile)), '{"__proto__":"****"}');
  let deep: unknown = "hunter2";
  for (let level = 0; level < 100_000; level += 1) deep = [deep];
  let masked = set.json(deep);
  while (Array.isArray(masked)) [masked] = masked;
  assert.is(masked, "****");
});

masker("however a stream is cut, the result is that of the whole; and no secret is in it", () => {
  const alphabet = fc.constantFrom("a", "b", "c", "\n", "=");
  const secrets = fc.array(fc.string({ unit: alphabet, minLength: 3, maxLength: 8 }), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(
      secrets,
      fc.array(fc.string({ unit: alphabet, maxLength: 9 }), { maxLength: 12 }),
      (secrets, pieces) => {
        const whole = stream(secrets, [pieces.join("")]);
        assert.is(stream(secrets, pieces), whole);
        assert.is(stream(secrets, [...pieces.join("")]), whole);
        assert.ok(secrets.every((secret) => !whole.includes(secret)));
      },
    ),
    { numRuns: 2_000 },
  );
});

masker("text without overlap is what replacing each secret gives", () => {
  const secrets = ["first-secret", "second one", "üñí"];
  const word = fc.constantFrom(...secrets, "plain ", "first-", "secret ", "second ", "ü", " ");
  fc.assert(
    fc.property(fc.array(word, { maxLength: 20 }), fc.integer({ min: 1, max: 9 }), (words, size) => {
      const text = words.join("");
      const bytes = Buffer.from(text);
      const pieces: Buffer[] = [];
      for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.subarray(at, at + size));
      assert.is(stream(secrets, pieces), text.replaceAll(/first-secret|second one|üñí/g, "****"));
    }),
  );
});

masker.run();
