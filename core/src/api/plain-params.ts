const DEEPEST = 100;
const NUL = String.fromCharCode(0);

/**
 * What is wrong with parameters before their schema looks at them, with its path: text that no
 * database can keep, or nesting on which a recursive schema would run out of stack.
 */
export function faultIn(params: unknown): { path: string; message: string } | undefined {
  const todo: { value: unknown; path: string; depth: number }[] = [{ value: params, path: "", depth: 0 }];
  for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
    const { value, path, depth } = next;
    if (typeof value === "string") {
      const message = textFault(value);
      if (message !== undefined) return { path: path.slice(0, 200), message };
    } else if (typeof value === "object" && value !== null) {
      if (depth === DEEPEST) return { path: path.slice(0, 200), message: `nested deeper than ${DEEPEST} levels` };
      for (const [key, item] of Object.entries(value)) {
        const message = textFault(key);
        if (message !== undefined) return { path: path.slice(0, 200), message: `in a name: ${message}` };
        if (typeof item === "string" || (typeof item === "object" && item !== null)) {
          todo.push({ value: item, path: path === "" ? key : `${path}.${key}`, depth: depth + 1 });
        }
      }
    }
  }
  return undefined;
}

function textFault(text: string): string | undefined {
  if (text.includes(NUL)) return "text may not hold the character NUL";
  return text.isWellFormed() ? undefined : "text may not hold half of a surrogate pair";
}
