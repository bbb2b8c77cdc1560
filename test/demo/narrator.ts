/** Tells a sequence of steps, each in a line with the time that it took; colour only on a terminal. */
export interface Narrator {
  heading(text: string): void;
  /** Runs a step and tells how it went: the text that it returns, then the facts. */
  step<T>(title: string, run: () => Promise<T>, facts?: (result: T) => Readonly<Record<string, unknown>>): Promise<T>;
  note(text: string): void;
}

export function createNarrator(stream: NodeJS.WriteStream): Narrator {
  const colour = (code: number, text: string) =>
    stream.isTTY && !process.env.NO_COLOR ? `\u001b[${code}m${text}\u001b[0m` : text;
  const print = (line: string) => stream.write(`${line}\n`);
  const startedAt = performance.now();
  let count = 0;

  return {
    heading: (text) => print(`\n${colour(1, text)}`),
    note: (text) => print(text),
    async step(title, run, facts) {
      count += 1;
      const began = performance.now();
      try {
        const result = await run();
        print(`${colour(32, "✓")} ${count}. ${title} ${colour(2, `(${Math.round(performance.now() - began)} ms)`)}`);
        for (const [name, value] of Object.entries(facts?.(result) ?? {})) {
          print(`     ${colour(36, name)}: ${typeof value === "string" ? value : JSON.stringify(value)}`);
        }
        return result;
      } catch (error) {
        const after = `after ${((performance.now() - startedAt) / 1000).toFixed(1)} s`;
        print(`${colour(31, "✗")} ${count}. ${title}: failed ${after}`);
        throw error;
      }
    },
  };
}
