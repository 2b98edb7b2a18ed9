// Figures as people read them.
export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

// A Markdown table, aligned; the first column is words, the others are figures.
export function table(head, rows) {
  const width = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column].length)));
  const line = (row) => `| ${row.map((cell, column) => column ? cell.padStart(width[column]) : cell.padEnd(width[0])).join(" | ")} |`;
  const rule = `|${width.map((length, column) => `${"-".repeat(length + (column ? 1 : 2))}${column ? ":" : ""}`).join("|")}|`;
  return `${[line(head), rule, ...rows.map(line)].join("\n")}\n`;
}
