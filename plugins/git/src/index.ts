import { definePlugin } from "belfry";
import { gitCheckout } from "./checkout.ts";
import { gitCommit } from "./commit.ts";
import { gitDescribe } from "./describe.ts";
import { gitPoller } from "./poller.ts";
import { gitPush } from "./push.ts";
import { gitTag } from "./tag.ts";

export { gitCheckout, gitCommit, gitDescribe, gitPoller, gitPush, gitTag };

export default definePlugin({
  name: "@belfry/git",
  version: "0.1.0",
  parts: [gitPoller, gitCheckout, gitDescribe, gitCommit, gitTag, gitPush],
});
