// What `import … from "uvu"` gives in a test process of ours: uvu, and a note for the runner of every registration.
import * as uvu from "uvu";
import { registered, report } from "./test-report.ts";

type Suite = ReturnType<typeof uvu.suite>;
type Handler = (context: unknown) => unknown;
type Register = (...args: unknown[]) => unknown;

/** uvu shows `details` as text, and an error's name; over anything else it stumbles and ends the suite without a word. */
function showable(error: unknown): unknown {
  const isError = error instanceof Error;
  if (isError && typeof (error as { details?: unknown }).details !== "object") return error;
  const shown = new Error(isError ? error.message : String(error), { cause: error });
  if (isError) {
    shown.name = error.name;
    shown.stack = error.stack ?? error.message;
  }
  return shown;
}

function watch(inner: Suite, suite: string): Suite {
  const id = Symbol(suite);
  const note = { suite, waiting: 0 };
  registered.set(id, note);

  const noting = (register: Register) => (first: unknown, second?: unknown) => {
    const [title, handler] = typeof first === "function" ? ["", first] : [String(first), second];
    note.waiting += 1;
    register(title, async (context: unknown) => {
      report({ at: "test", title: suite ? `${suite} › ${title}` : title });
      try {
        return await (handler as Handler)(context);
      } catch (error) {
        throw showable(error);
      }
    });
  };
  const telling = (hook: string, register: Register) => (handler: Handler) =>
    register(async (context: unknown) => {
      try {
        await handler(context);
      } catch (error) {
        report({ at: "hook-threw", suite, hook });
        console.error(`\n\`${hook}\` of the suite "${suite}" threw:`, error);
        throw error;
      }
    });
  const hooks = (name: "before" | "after") =>
    Object.assign(telling(name, inner[name] as Register), {
      each: telling(`${name}.each`, inner[name].each as Register),
    });

  return Object.assign(noting(inner as unknown as Register), {
    before: hooks("before"),
    after: hooks("after"),
    only: (first: unknown, second?: unknown) => {
      report({ at: "only", suite });
      noting(inner.only as unknown as Register)(first, second);
    },
    skip: inner.skip,
    run: () => {
      note.waiting = 0;
      inner.run();
    },
  }) as unknown as Suite;
}

export const suite = (name = "", state?: unknown): Suite => watch(uvu.suite(name, state as never) as Suite, name);
export const test = watch(uvu.test as unknown as Suite, "");
export const exec = uvu.exec;
