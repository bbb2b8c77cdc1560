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

/**
 * Parses a JSON object (RFC 8259) that says one thing only: two members of one name, which parsers
 * resolve differently, are refused, and so is a number that overflows. Takes time linear in the text.
 *
 * @throws {StrictJsonError}
 */
export function parseStrictJsonObject(bytes: Uint8Array, bounds: JsonBounds): JsonObject {
  const text = decodeStrictUtf8(bytes);
  const value = parseJson(text);
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new StrictJsonError("not an object");
  const { names } = measure(value, bounds);
  if (hasRepeatedName(text, names)) throw new StrictJsonError("a member occurs twice");
  return value as JsonObject;
}

/** @throws {StrictJsonError} */
export function decodeStrictUtf8(bytes: Uint8Array): string {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    throw new StrictJsonError("not valid UTF-8", { cause: error });
  }
  if (text.startsWith("\ufeff")) throw new StrictJsonError("it starts with a byte order mark");
  return text;
}

function parseJson(text: string): Json {
  try {
    return JSON.parse(text);
  } catch {
    // The error quotes the text, which is not for logs.
    throw new StrictJsonError("its syntax is not JSON's");
  }
}

interface Size {
  /** Names of members, of all objects together. */
  names: number;
  /** Members and elements, of all objects and arrays together. */
  members: number;
}

function measure(value: Json, bounds: JsonBounds): Size {
  const size: Size = { names: 0, members: 0 };
  visit(value, 1);
  return size;

  function visit(one: Json, depth: number): void {
    if (typeof one === "number" && !Number.isFinite(one)) throw new StrictJsonError("a number is too large");
    if (typeof one !== "object" || one === null) return;
    if (depth > bounds.depth) throw new StrictJsonError(`nested deeper than ${bounds.depth}`);
    const inside = Object.values(one);
    size.members += inside.length;
    if (!Array.isArray(one)) size.names += inside.length;
    if (size.members > bounds.members) throw new StrictJsonError(`more than ${bounds.members} members`);
    for (const each of inside) visit(each, depth + 1);
  }
}

/**
 * Whether an object in a JSON text has two members of one name.
 *
 * @param names how many the parsed value has, in all of its objects together: of each name once
 */
export function hasRepeatedName(text: string, names: number): boolean {
  let colons = 0;
  let isInString = false;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    // What is escaped ends no string.
    if (code === BACKSLASH) index += 1;
    else if (code === QUOTE) isInString = !isInString;
    // A colon follows each name, and stands nowhere else outside a string.
    else if (code === COLON && !isInString) colons += 1;
  }
  return colons !== names;
}

const [QUOTE, BACKSLASH, COLON] = [0x22, 0x5c, 0x3a];
