import { faults } from "../errors.ts";
import type { Web } from "../extension.ts";
import { numberOf } from "../parts/the-build.ts";

/** A step has its place on the page of its build; this is where links to it lead. */
export function addStep(web: Web): void {
  web.page({
    name: "step",
    path: "/builders/:builder/builds/:number/steps/:step",
    label: ({ step }) => `step ${step}`,
    async render(view) {
      const { builder = "" } = view.keys;
      const number = numberOf(view.keys["number"]);
      const step = numberOf(view.keys["step"]);
      const { items } = await view.ask("builds.steps", { builder, number });
      if (!items.some((one) => one.step === step)) throw faults.pageUnknown(view.here.slice(0, 500));
      return { redirect: `${view.url("build", { builder, number })}#step-${step}` };
    },
  });
}
