import { definePlugin } from "belfry";
import { gitCheckout } from "./checkout.ts";
import { gitPoller } from "./poller.ts";

export { gitCheckout, gitPoller };

export default definePlugin({ name: "@belfry/git", version: "0.1.0", parts: [gitPoller, gitCheckout] });
