/** Environment variables, by name; what is unset or empty is absent. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Reads typed values from an environment, and gathers every problem on the way. */
export interface Reader {
  readonly problems: readonly string[];
  problem(text: string): undefined;
  text(name: string): string | undefined;
  integer(name: string, fallback: number, min: number, max: number): number;
  boolean(name: string): boolean;
  oneOf<T extends string>(name: string, values: readonly T[], fallback: T): T;
  /** Items separated by commas. */
  list(name: string, isGood: (item: string) => boolean, what: string): readonly string[] | undefined;
  /** The value of `name`, or of the file that `name_FILE` names. A problem with it never quotes it. */
  secret<T>(name: string, parse: (value: string) => T | undefined, rule: string): T | undefined;
}

export function createReader(environment: Environment, readFile: (path: string) => string): Reader {
  const problems: string[] = [];
  const reader: Reader = {
    problems,
    problem(text) {
      problems.push(text);
      return undefined;
    },
    text: (name) => environment[name]?.trim() || undefined,
    integer(name, fallback, min, max) {
      const value = reader.text(name);
      if (value === undefined) return fallback;
      const number = /^[0-9]{1,9}$/.test(value) ? Number(value) : Number.NaN;
      if (number >= min && number <= max) return number;
      reader.problem(`${name} must be a whole number from ${min} to ${max}, and is ${JSON.stringify(value)}`);
      return fallback;
    },
    boolean: (name) => reader.oneOf(name, ["true", "false"], "false") === "true",
    oneOf(name, values, fallback) {
      const value = reader.text(name);
      if (value === undefined) return fallback;
      const found = values.find((one) => one === value);
      if (!found) reader.problem(`${name} must be one of ${values.join(", ")}, and is ${JSON.stringify(value)}`);
      return found ?? fallback;
    },
    list(name, isGood, what) {
      const items = reader
        .text(name)
        ?.split(",")
        .map((item) => item.trim())
        .filter((item) => item !== "");
      const bad = items?.find((item) => !isGood(item));
      if (bad !== undefined) {
        reader.problem(`${name} must list ${what}, separated by commas; it holds ${JSON.stringify(bad)}`);
      }
      return items?.length === 0 ? undefined : items;
    },
    secret(name, parse, rule) {
      const value = readSecret(name);
      return value === undefined ? undefined : (parse(value) ?? reader.problem(`${name} ${rule}`));
    },
  };
  return reader;

  function readSecret(name: string): string | undefined {
    const value = reader.text(name);
    const file = reader.text(`${name}_FILE`);
    if (!file) return value;
    if (value) return reader.problem(`${name} and ${name}_FILE are both set: unset one`);
    try {
      return readFile(file).trim() || reader.problem(`${name}_FILE names an empty file: ${file}`);
    } catch {
      return reader.problem(`${name}_FILE names a file that cannot be read: ${file}`);
    }
  }
}
