import { definePlugin, defineService } from "belfry";
import { WEB } from "./extension.ts";
import { formKeyMethod } from "./form-key.ts";
import { webOptions } from "./options.ts";
import { addPages } from "./pages/index.ts";
import { WebService } from "./service.ts";
import { Site } from "./site.ts";

export type {
  ActionDefinition,
  LinkDefinition,
  Live,
  NavigationEntry,
  Page,
  PageDefinition,
  PanelDefinition,
  Raw,
  Reader,
  ReaderDefinition,
  Redirect,
  Snippet,
  SnippetDefinition,
  View,
  Web,
} from "./extension.ts";
export { WEB } from "./extension.ts";
export { type Html, html } from "./html.ts";
export { onward } from "./parts/pager.ts";
export { moment, own, ticked } from "./parts/texts.ts";
export { type Recording, recordApi, recordedApi } from "./recording.ts";
export { type Keys, outside } from "./urls.ts";

/** The pages of a master, on the server of `@belfry/http`. Other plugins add to them through {@link WEB}. */
export const web = defineService({
  kind: "server",
  options: webOptions,
  create: (options, ctx) => new WebService(options, ctx.container),
});

export default definePlugin({
  name: "@belfry/web",
  version: "0.1.0",
  parts: [web],
  register(host) {
    host.share(WEB, () => {
      const site = new Site();
      addPages(site);
      return site;
    });
    host.methods.add(formKeyMethod(host.store));
  },
});
