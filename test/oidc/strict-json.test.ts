import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseStrictJsonObject, StrictJsonError } from "../../src/oidc/strict-json.ts";

const bounds = { depth: 8, members: 256 };
const utf8 = (text: string) => new TextEncoder().encode(text);
const parse = (text: string) => parseStrictJsonObject(utf8(text), bounds);
/** The parser's objects have no prototype, which is no difference in what they say. */
const plain = (value: unknown) => JSON.parse(JSON.stringify(value));

describe("strict JSON", () => {
  it.each([
    "{}",
    ' \t\r\n{ "a" : 1 } \n',
    '{"a":[1,-0.5e-3,true,false,null,"x",{},[]]}',
    '{"a\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9":"\\ud83d\\udea2"}',
    '{"":0,"é日本🚢":0}',
    '{"exp":1800000000.5}',
    '{"a":-0,"b":1e308,"c":123456789012345678901234567890}',
  ])("reads %s as JSON.parse does", (text) => {
    expect(plain(parse(text))).toEqual(plain(JSON.parse(text)));
  });

  it.each([
    ["an array", "[]"],
    ["a string", '"x"'],
    ["a number", "1"],
    ["null", "null"],
    ["nothing", ""],
    ["white space", "  "],
    ["text after its end", "{} {}"],
    ["a comma at the end", '{"a":1,}'],
    ["a comma at the end of an array", '{"a":[1,]}'],
    ["a missing comma", '{"a":1 "b":2}'],
    ["a missing colon", '{"a" 1}'],
    ["a missing value", '{"a":}'],
    ["a name without quotes", "{a:1}"],
    ["a name in single quotes", "{'a':1}"],
    ["a comment", '{"a":1/**/}'],
    ["a leading zero", '{"a":01}'],
    ["a plus sign", '{"a":+1}'],
    ["a bare point", '{"a":1.}'],
    ["a hexadecimal number", '{"a":0x1}'],
    ["NaN", '{"a":NaN}'],
    ["undefined", '{"a":undefined}'],
    ["an unfinished string", '{"a":"'],
    ["a line break in a string", '{"a":"\n"}'],
    ["NUL in a string", '{"a":"\u0000"}'],
    ["an unknown escape", '{"a":"\\x41"}'],
    ["a short escape", '{"a":"\\u41"}'],
    ["an unclosed object", '{"a":1'],
    ["brackets that cross", '{"a":[1}]'],
    ["a no-break space between", '{"a":\u00a01}'],
    ["a byte order mark", "\ufeff{}"],
  ])("refuses %s", (_, text) => {
    expect(() => parse(text)).toThrow(StrictJsonError);
  });

  it.each([
    '{"sub":"a","sub":"b"}',
    '{"sub":"a","\\u0073ub":"b"}',
    '{"__proto__":1,"__proto__":2}',
    '{"a":{"b":[{"c":1,"c":1}]}}',
    '{"":1,"":2}',
  ])("refuses the name that occurs twice in %s", (text) => {
    expect(() => parse(text)).toThrow(/occurs twice/);
  });

  it("takes names that objects inherit for names like others", () => {
    const parsed = parse('{"__proto__":{"admin":true},"constructor":1,"toString":2}');
    expect(Object.keys(parsed)).toEqual(["__proto__", "constructor", "toString"]);
    expect((parsed as { admin?: unknown }).admin).toBeUndefined();
    expect(({} as { admin?: unknown }).admin).toBeUndefined();
  });

  it("allows one name in several objects", () => {
    expect(plain(parse('{"a":{"a":1},"b":[{"a":2}]}'))).toEqual({ a: { a: 1 }, b: [{ a: 2 }] });
  });

  it("names a byte order mark, which nobody sees", () => {
    expect(() => parse("\ufeff{}")).toThrow(/byte order mark/);
  });

  it("refuses a number that overflows, whatever its sign", () => {
    expect(() => parse('{"exp":1e400}')).toThrow(/too large/);
    expect(() => parse('{"exp":-1e400}')).toThrow(/too large/);
  });

  it("refuses what is nested too deep", () => {
    const nested = (depth: number) => `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`;
    const lists = (depth: number) => `{"a":${"[".repeat(depth - 1)}${"]".repeat(depth - 1)}}`;
    for (const text of [nested(8), lists(8)]) expect(() => parse(text)).not.toThrow();
    for (const text of [nested(9), lists(9)]) expect(() => parse(text)).toThrow(/nested deeper/);
    expect(() => parse(nested(100_000))).toThrow(/nested deeper/);
  });

  it("refuses too many members, wherever they are", () => {
    const list = (length: number) => `{"a":[${Array(length).fill(0).join(",")}]}`;
    const object = (length: number) => `{${Array.from({ length }, (_, index) => `"${index}":0`).join(",")}}`;
    for (const text of [list(255), object(256)]) expect(() => parse(text)).not.toThrow();
    for (const text of [list(256), object(257)]) expect(() => parse(text)).toThrow(/more than 256 members/);
  });

  it.each([
    ["a lone continuation byte", [0x80]],
    ["a truncated sequence", [0xe2, 0x82]],
    ["an overlong slash", [0xc0, 0xaf]],
    ["half of a surrogate pair", [0xed, 0xa0, 0x80]],
    ["a byte that UTF-8 never has", [0xff]],
  ])("refuses %s", (_, bytes) => {
    const text = Uint8Array.from([...utf8('{"a":"'), ...bytes, ...utf8('"}')]);
    expect(() => parseStrictJsonObject(text, bounds)).toThrow("not valid UTF-8");
  });

  it("agrees with JSON.parse on every object that both read", () => {
    const value = fc.dictionary(fc.string({ unit: "binary" }), fc.jsonValue({ maxDepth: 4 }));
    const roomy = { depth: 100, members: 100_000 };
    fc.assert(
      fc.property(value, fc.constantFrom(undefined, 2, "\t"), (object, indent) => {
        const text = JSON.stringify(object, null, indent);
        expect(plain(parseStrictJsonObject(utf8(text), roomy))).toEqual(plain(JSON.parse(text)));
      }),
    );
  });

  it("reads nothing that JSON.parse does not, and throws nothing of another kind", () => {
    const characters = [...'{}[]:,"\\/ \t\n\r-+.0123456789eEtfn', "\u0000", "é", "\ud800"];
    const tokens = fc.constantFrom(...characters, "true", "null", '"a"', '"b":');
    const almostJson = fc.array(tokens, { maxLength: 40 }).map((parts) => `{${parts.join("")}}`);
    fc.assert(
      fc.property(fc.oneof(almostJson, fc.string({ unit: "binary" })), (text) => {
        let read: unknown;
        try {
          read = parse(text);
        } catch (error) {
          expect(error).toBeInstanceOf(StrictJsonError);
          return;
        }
        expect(plain(read)).toEqual(plain(JSON.parse(new TextDecoder().decode(utf8(text)))));
      }),
      { numRuns: 2000 },
    );
  });

  it("throws nothing of another kind for any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          parseStrictJsonObject(bytes, bounds);
        } catch (error) {
          expect(error).toBeInstanceOf(StrictJsonError);
        }
      }),
    );
  });
});
