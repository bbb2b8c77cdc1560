import type { Json, JsonObject } from "../domain/json.ts";

/** What makes a JSON text unfit: the reason, in words for its sender. */
export class StrictJsonError extends Error {
  override readonly name = "StrictJsonError";
}

export interface JsonBounds {
  /** Objects and arrays inside one another, the outermost counted. */
  readonly depth: number;
  /** Members of all objects and elements of all arrays together. */
  readonly members: number;
}

const WHITESPACE = /[ \t\n\r]*/y;
// biome-ignore lint/suspicious/noControlCharactersInRegex: JSON forbids them unescaped, so they must be named
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const LITERALS = [
  ["true", true],
  ["false", false],
  ["null", null],
] as const;

/**
 * Parses a JSON object (RFC 8259) that says one thing only: two members of one name, which parsers
 * resolve differently, are refused, and so is a number that overflows. Takes time linear in the text.
 *
 * @throws {StrictJsonError}
 */
export function parseStrictJsonObject(bytes: Uint8Array, bounds: JsonBounds): JsonObject {
  const text = decodeUtf8(bytes);
  let at = 0;
  let members = 0;

  const value = readValue(1);
  skipWhitespace();
  if (at < text.length) fail("text after the end of the object");
  if (typeof value !== "object" || value === null || Array.isArray(value)) fail("not an object");
  return value as JsonObject;

  function readValue(depth: number): Json {
    skipWhitespace();
    const next = text[at];
    if (next === "{" || next === "[") {
      if (depth > bounds.depth) fail(`nested deeper than ${bounds.depth}`);
      at += 1;
      return next === "{" ? readObject(depth) : readArray(depth);
    }
    if (next === '"') return readString();
    const literal = LITERALS.find(([word]) => text.startsWith(word, at));
    if (!literal) return readNumber();
    at += literal[0].length;
    return literal[1];
  }

  function readObject(depth: number): JsonObject {
    const object: Record<string, Json> = Object.create(null);
    readList("}", () => {
      skipWhitespace();
      const name = readString();
      if (name in object) fail(`the member ${JSON.stringify(name.slice(0, 64))} occurs twice`);
      expect(":");
      object[name] = readValue(depth + 1);
    });
    return object;
  }

  function readArray(depth: number): Json[] {
    const array: Json[] = [];
    readList("]", () => array.push(readValue(depth + 1)));
    return array;
  }

  function readList(close: string, readOne: () => void): void {
    skipWhitespace();
    if (text[at] === close) {
      at += 1;
      return;
    }
    for (;;) {
      members += 1;
      if (members > bounds.members) fail(`more than ${bounds.members} members`);
      readOne();
      skipWhitespace();
      if (text[at] !== ",") break;
      at += 1;
    }
    expect(close);
  }

  function readString(): string {
    return JSON.parse(match(STRING) ?? fail("a string was expected"));
  }

  function readNumber(): number {
    const number = Number(match(NUMBER) ?? fail("a value was expected"));
    return Number.isFinite(number) ? number : fail("a number is too large");
  }

  function expect(character: string): void {
    skipWhitespace();
    if (text[at] !== character) fail(`${character} was expected`);
    at += 1;
  }

  function skipWhitespace(): void {
    match(WHITESPACE);
  }

  function match(pattern: RegExp): string | undefined {
    pattern.lastIndex = at;
    const found = pattern.exec(text)?.[0];
    at += found?.length ?? 0;
    return found;
  }

  function fail(detail: string): never {
    throw new StrictJsonError(`${detail}, at character ${at}`);
  }
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    if (text.startsWith("\ufeff")) throw new StrictJsonError("it starts with a byte order mark");
    return text;
  } catch (error) {
    if (error instanceof StrictJsonError) throw error;
    throw new StrictJsonError("not valid UTF-8", { cause: error });
  }
}
