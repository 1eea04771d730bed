import type { Encoded } from "../codec/encode.ts";
import { cleaned } from "../codec/text.ts";
import { faults } from "../errors.ts";
import { type Fault, faultOf } from "../fault-codes.ts";
import type { Dispatcher } from "./dispatcher.ts";
import { type CallContext, type Family, type Method, plainFault } from "./family.ts";

export interface MulticallLimits {
  /** How many calls there may be. */
  calls: number;
  /** After how many characters of answers the rest is not run. */
  answer: number;
}

const CAPABILITIES = {
  xmlrpc: { specUrl: "http://www.xmlrpc.com/spec", specVersion: 1 },
  introspect: { specUrl: "http://xmlrpc-c.sourceforge.net/xmlrpc-c/introspection.html", specVersion: 1 },
  faults_interop: { specUrl: "http://xmlrpc-epi.sourceforge.net/specs/rfc.fault_codes.php", specVersion: 20_010_516 },
  "system.multicall": { specUrl: "http://www.xmlrpc.com/discuss/msgReader$1208", specVersion: 1 },
};

/** What a client can ask about the methods themselves, by the convention that all servers follow. */
export function systemMethods(dispatcher: Dispatcher, limits: MulticallLimits): Family {
  const methods = new Map<string, Method>(
    Object.entries({
      "system.listMethods": {
        help: "The names of all methods.",
        signatures: [["array"]],
        async call(params, context) {
          expect("system.listMethods", params, 0, context);
          return dispatcher.names();
        },
      },
      "system.methodSignature": {
        help: "How a method can be called: lists of types, each that of the result and then those of the parameters.",
        signatures: [["array", "string"]],
        async call(params, context) {
          return known("system.methodSignature", params, context).signatures;
        },
      },
      "system.methodHelp": {
        help: "What a method does and takes, in words.",
        signatures: [["string", "string"]],
        async call(params, context) {
          return known("system.methodHelp", params, context).help;
        },
      },
      "system.getCapabilities": {
        help: "The specifications that this server follows.",
        signatures: [["struct"]],
        async call(params, context) {
          expect("system.getCapabilities", params, 0, context);
          return CAPABILITIES;
        },
      },
      "system.multicall": {
        help: "Runs calls one after the other: an array of structs with methodName and params. Each is answered by an array of one result, or by the struct of a fault.",
        signatures: [["array", "array"]],
        call: (params, context) => multicall(dispatcher, limits, params, context),
      },
    } satisfies Record<string, Method>),
  );

  function known(name: string, params: unknown[], context: CallContext): Method {
    expect(name, params, 1, context);
    const [about] = params;
    if (typeof about !== "string") throw faults.positions(name, "It takes the name of a method.");
    const method = dispatcher.get(about);
    if (method === undefined) throw faults.methodUnknown(about);
    return method;
  }

  return { names: () => [...methods.keys()], get: (name) => methods.get(name), fault: plainFault };
}

function expect(name: string, params: unknown[], count: number, { caller }: CallContext): void {
  if (!caller.scopes.has("read")) throw faults.readNeeded(caller.name);
  if (params.length !== count)
    throw faults.positions(name, `There are ${params.length} parameters, and it takes ${count}.`);
}

async function multicall(
  dispatcher: Dispatcher,
  limits: MulticallLimits,
  params: unknown[],
  context: CallContext,
): Promise<unknown[]> {
  const [calls] = params;
  if (params.length !== 1 || !Array.isArray(calls)) throw faults.multicall("It takes one array.");
  if (calls.length > limits.calls) throw faults.multicallTooLong(limits.calls);
  const answers: unknown[] = [];
  let size = 0;
  for (const call of calls) {
    context.signal.throwIfAborted();
    const answer = size > limits.answer ? { fault: faultOf(faults.answerTooLarge(limits.answer)) } : await one(call);
    if (answer.fault !== undefined) answers.push(faultStruct(answer.fault));
    else {
      size += answer.result.xml.length;
      answers.push([answer.result]);
    }
    await context.turns.next();
  }
  return answers;

  async function one(call: unknown): Promise<{ fault: Fault } | { result: Encoded; fault?: undefined }> {
    const { methodName, params: given = [] } = (call ?? {}) as { methodName?: unknown; params?: unknown };
    if (typeof methodName !== "string" || !Array.isArray(given))
      return { fault: faultOf(faults.multicall("One of its calls is not a struct of methodName and params.")) };
    if (methodName === "system.multicall")
      return { fault: faultOf(faults.multicall("It may not have a call of itself.")) };
    return dispatcher.run(methodName, given, context);
  }
}

function faultStruct({ code, text }: Fault): { faultCode: number; faultString: string } {
  return { faultCode: code, faultString: cleaned(text) };
}
