import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DATABASES } from "../../core/databases.ts";
import { authWorld } from "./world.ts";

const test = suite("signing in with a password, and out");

for (const kind of DATABASES) {
  test(`${kind.name}: the right password begins a session, which the pages and the API know`, async () => {
    await using database = await kind.open();
    await using world = await authWorld({}, { database: database.entry });
    const reader = world.reader();
    const before = await reader.get("/builders/plain");
    assert.match(before.body, '<a href="/login?to=%2Fbuilders%2Fplain">Sign in</a>');
    assert.not.match(before.body, "/do/pause");
    const page = await reader.get("/login?to=%2Fbuilders%2Fplain");
    assert.match(page.body, '<input type="hidden" name="to" value="/builders/plain"');
    const { status, headers } = await reader.signIn("ada", "ada!", { to: "/builders/plain" });
    assert.equal([status, headers.location], [303, "/builders/plain"]);
    const port = new URL(world.url).port;
    assert.match(
      headers["set-cookie"]?.[0] ?? "",
      new RegExp(`^belfry-session-${port}=[\\w-]{43}; Path=/; Max-Age=1209600; HttpOnly; SameSite=Lax$`),
    );
    const after = await reader.get("/builders/plain");
    assert.match(after.body, 'signed in as <a href="/tokens"><b dir="auto">ada</b>');
    assert.match(after.body, "/do/pause");
    const { json } = await reader.call("tokens.list");
    assert.equal(json.result.items, []);
  });

  test(`${kind.name}: signing out ends the session, not only the cookie`, async () => {
    await using database = await kind.open();
    await using world = await authWorld({}, { database: database.entry });
    const reader = await world.as("ada");
    const { cookie } = reader;
    const { status, headers } = await reader.post("/auth/sign-out", {});
    assert.equal([status, headers.location], [303, "/login?out=yes"]);
    assert.match((await reader.get("/login?out=yes")).body, "You are signed out.");
    const { body } = await world.get("/", { cookie });
    assert.match(body, ">Sign in</a>");
    assert.is((await reader.call("tokens.list", {}, { cookie })).json.error.data.code, "BELFRY_FORBIDDEN");
  });
}

test.run();
