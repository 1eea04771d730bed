/** What a terminal shows after it was sent this: enough of one for what Belfry sends, and it refuses anything else. */
export function render(sent: string, columns: number): string[] {
  const lines: string[][] = [[]];
  let row = 0;
  let column = 0;
  const line = (at: number) => {
    while (lines.length <= at) lines.push([]);
    return lines[at] as string[];
  };
  for (const [part, parameter, command] of sent.matchAll(/\u001b\[([?0-9;:]*)([A-Za-z])|[\s\S]/gu)) {
    if (command === "A") row = Math.max(0, row - Number(parameter || 1));
    else if (command === "K") line(row).length = Math.min(line(row).length, column);
    else if (command === "J") {
      line(row).length = Math.min(line(row).length, column);
      lines.length = row + 1;
    } else if (command === "m" || parameter === "?2026") continue;
    else if (part === "\n") row += 1;
    else if (part === "\r") column = 0;
    else if (part.length === 1 && part < " ")
      throw new Error(`a terminal was sent ${JSON.stringify(part)} in ${JSON.stringify(sent.slice(0, 2_000))}`);
    else if (command !== undefined) throw new Error(`a terminal was sent ${JSON.stringify(part)}`);
    else {
      if (column >= columns) {
        row += 1;
        column = 0;
      }
      const cells = line(row);
      while (cells.length < column) cells.push(" ");
      cells[column] = part;
      column += 1;
    }
  }
  return lines.map((cells) => cells.join("").trimEnd());
}
