import fc from "fast-check";

/** JSON Schema (2020-12), as far as the API's description uses it. */
export interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Schema;
  readonly items?: Schema;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly format?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly example?: unknown;
}

/** Resolves a reference within a document (RFC 6901). */
export function resolve<T>(document: unknown, reference: string): T {
  const parts = reference.replace(/^#\//, "").split("/");
  const found = parts.reduce<unknown>(
    (at, part) => (at as Record<string, unknown>)?.[part.replaceAll("~1", "/").replaceAll("~0", "~")],
    document,
  );
  if (found === undefined) throw new Error(`there is nothing at ${reference}`);
  return found as T;
}

/** Values that a schema of a document accepts. */
export function valid(schema: Schema, document: unknown): fc.Arbitrary<unknown> {
  const inside = (one: Schema) => valid(one, document);
  const { $ref, const: constant, enum: values, example } = schema;
  if ($ref !== undefined) return inside(resolve<Schema>(document, $ref));
  if (constant !== undefined) return fc.constant(constant);
  if (values) return fc.constantFrom(...values);
  const alternatives = schema.anyOf ?? schema.oneOf;
  if (alternatives) return fc.oneof(...alternatives.map(inside));
  if (schema.allOf) {
    return fc.tuple(...schema.allOf.map(inside)).map((parts) => Object.assign({}, ...(parts as object[])));
  }
  const types = [schema.type ?? []].flat();
  if (types.length === 0) return fc.jsonValue({ maxDepth: 2 });
  const plain = fc.oneof(...types.map((type) => ofType(type, schema, inside)));
  return example === undefined ? plain : fc.oneof(fc.constant(example), plain);
}

type Inside = (schema: Schema) => fc.Arbitrary<unknown>;

function ofType(type: string, schema: Schema, inside: Inside): fc.Arbitrary<unknown> {
  switch (type) {
    case "null":
      return fc.constant(null);
    case "boolean":
      return fc.boolean();
    case "integer":
    case "number":
      return fc.integer({ min: schema.minimum ?? -1000, max: schema.maximum ?? 1_000_000 });
    case "string":
      return textOf(schema);
    case "array":
      return fc.array(inside(schema.items ?? {}), {
        minLength: schema.minItems ?? 0,
        maxLength: Math.min(schema.maxItems ?? 3, (schema.minItems ?? 0) + 3),
      });
    case "object":
      return objectOf(schema, inside);
    default:
      throw new Error(`no values are known of the type ${type}`);
  }
}

function textOf({ format, pattern, minLength = 0, maxLength = 60 }: Schema): fc.Arbitrary<string> {
  if (format === "uuid") return fc.uuid();
  if (format === "date-time") return fc.date({ noInvalidDate: true, min: new Date(0) }).map((date) => date.toJSON());
  if (format === "uri") return fc.webUrl();
  if (pattern !== undefined) return fc.stringMatching(new RegExp(pattern));
  const max = Math.max(minLength, Math.min(maxLength, 60));
  return fc.oneof(
    fc.string({ minLength, maxLength: max }),
    fc.string({ unit: "grapheme", minLength, maxLength: max }).filter((text) => text.length <= maxLength),
    fc.stringMatching(/^[a-z0-9]{2,12}$/),
  );
}

function objectOf(schema: Schema, inside: Inside): fc.Arbitrary<unknown> {
  const { properties = {}, required = [], additionalProperties = true } = schema;
  const known = fc.record(Object.fromEntries(Object.entries(properties).map(([name, one]) => [name, inside(one)])), {
    requiredKeys: [...required],
  });
  if (additionalProperties === false) return known;
  const others = inside(typeof additionalProperties === "object" ? additionalProperties : {});
  const name = fc.stringMatching(/^[a-z]{2,8}$/);
  return fc.tuple(fc.dictionary(name, others, { maxKeys: 2 }), known).map(([more, all]) => ({ ...more, ...all }));
}

const nested = (depth: number): unknown => (depth === 0 ? 1 : { a: nested(depth - 1) });

/** What has broken programs before. */
export const hostile: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(null, true, false, "", " ", "\u0000", "\ud800", "a\u0000", "\u202e", "*", "../..", "%00"),
  fc.constantFrom<unknown>("__proto__", "constructor", "0000-01-01T00:00:00Z", "9999-12-31T23:59:60Z", "{}", "null"),
  fc.constantFrom<unknown>(0, -0, -1, 0.5, 2 ** 31, 2 ** 53, 1e21, 1e308, -1e308, 5e-324),
  fc.constantFrom<unknown>([], {}, [null], nested(40), Array(2000).fill(0), "x".repeat(3000)),
  fc.string({ unit: "binary" }),
  fc.jsonValue(),
);

/** Values that are wrong, or nearly right: one place in a right one is changed. */
export function broken(right: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  const change = fc.constantFrom("replace", "remove", "add", "wrap");
  return fc
    .tuple(right, fc.nat(), change, fc.constantFrom("unknown", "__proto__", "\u0000", "Issuer"), hostile)
    .map(([value, at, how, name, other]) => {
      const whole = { value: structuredClone(value) };
      const places = placesIn(whole);
      const [parent, key] = places[at % places.length] as Place;
      const target = parent[key];
      if (how === "remove") Reflect.deleteProperty(parent, key);
      else if (how === "add" && typeof target === "object" && target !== null) define(target as Parent, name, other);
      else parent[key] = how === "wrap" ? [target] : other;
      return whole.value;
    });
}

type Parent = Record<string, unknown>;
type Place = readonly [parent: Parent, key: string];

function placesIn(parent: Parent): Place[] {
  return Object.keys(parent).flatMap((key): Place[] => {
    const value = parent[key];
    const deeper = typeof value === "object" && value !== null ? placesIn(value as Parent) : [];
    return [[parent, key], ...deeper];
  });
}

/** As JSON does it: `__proto__` is a member like others. */
function define(target: Parent, name: string, value: unknown): void {
  Object.defineProperty(target, name, { value, enumerable: true, configurable: true, writable: true });
}
