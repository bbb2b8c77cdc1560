import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { call, startBerth, type TestBerth } from "../support/berth.ts";
import { makeLists, type TestList } from "../support/lists.ts";
import { expectProblem } from "../support/problems.ts";

let berth: TestBerth;
let lists: Readonly<Record<string, TestList>>;
let named = 0;

beforeAll(async () => {
  berth = await startBerth();
  lists = await makeLists(berth);
});

afterAll(() => berth.remove());

const paths = [
  "/organization",
  "/deleted-organizations",
  "/organization/{org}/members",
  "/organization/{org}/prototypes",
  "/organization/{org}/robots",
  "/organization/{org}/robots/{robot}/usage",
  "/principals",
  "/issuers",
  "/registries",
  "/bindings",
  "/grants",
  "/organization/{org}/logs",
  "/logs",
];

function listAt(path: string): TestList {
  const list = lists[path];
  if (!list) throw new Error(`${path} is no list`);
  return list;
}

async function page(list: TestList, query: string): Promise<{ keys: string[]; next: string | undefined }> {
  const { status, body } = await berth.api("GET", `${list.path}&${query}`);
  expect(status, JSON.stringify(body)).toBe(200);
  return { keys: body[list.member].map(list.key), next: body.next_page };
}

const whole = async (list: TestList): Promise<string[]> => (await page(list, "limit=500")).keys;

/** A name that sorts anywhere among the others. */
const newName = (letter: string) => {
  named += 1;
  return letter + String(named).padStart(3 + (named % 2), "0");
};

/** What happens to a list between two of its pages. */
const event = fc.oneof(
  fc.record({ what: fc.constant("add" as const), letter: fc.constantFrom("a", "k", "z") }),
  fc.record({ what: fc.constant("remove" as const), which: fc.nat() }),
  fc.constant({ what: "remove last" as const }),
);

type Event = typeof event extends fc.Arbitrary<infer E> ? E : never;

async function happen(list: TestList, seen: readonly string[], one: Event): Promise<void> {
  if (one.what === "add") {
    await list.add?.(newName(one.letter));
    return;
  }
  const keys = (await whole(list)).filter(isRemovable);
  const gone = one.what === "remove last" ? seen.at(-1) : keys[one.which % Math.max(1, keys.length)];
  if (gone !== undefined && keys.includes(gone)) await list.remove?.(gone);
}

/** What the lists themselves rest on. */
function isRemovable(key: string): boolean {
  return !["acme", "acme+ci", "admin", berth.host].includes(key.split(" ")[0] ?? "");
}

describe("a list", () => {
  it("is each that the API describes", async () => {
    const { body } = await call(`${berth.url}/openapi.json`);
    const described = Object.entries<{ get?: { parameters?: readonly { readonly name: string }[] } }>(body.paths)
      .filter(([, { get }]) => get?.parameters?.some(({ name }) => name === "next_page"))
      .map(([path]) => path.replace("/api/v1", ""));
    expect(paths.toSorted()).toEqual(described.toSorted());
  });

  it.each(paths)(
    "at %s shows each item once, in one order, in pages of any size, whatever comes and goes",
    async (path) => {
      const list = listAt(path);
      for (let many = 0; many < 6; many += 1) await list.add?.(newName("akz".charAt(many % 3)));
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 }),
          fc.array(event, { maxLength: 4 }),
          async (sizes, events) => {
            const before = await whole(list);
            const seen: string[] = [];
            for (let turn = 0, query = ""; ; turn += 1) {
              const { keys, next } = await page(list, `limit=${sizes[turn % sizes.length]}${query}`);
              seen.push(...keys);
              if (next === undefined) break;
              expect(next).toMatch(/^[\w-]+$/);
              query = `&next_page=${next}`;
              const one = events[turn];
              if (one) await happen(list, seen, one);
            }
            const after = await whole(list);
            expect(new Set(seen).size, "one came twice").toBe(seen.length);
            const stayed = after.filter((key) => before.includes(key));
            expect(
              seen.filter((key) => stayed.includes(key)),
              "one is missing, or out of order",
            ).toEqual(stayed);
          },
        ),
        { numRuns: 6 },
      );
    },
  );

  it.each(paths)("at %s takes limits from 1 to 500, and no cursor that it did not give", async (path) => {
    const list = listAt(path);
    expect((await page(list, "limit=1")).keys.length).toBeLessThanOrEqual(1);
    await page(list, "limit=500");
    const encode = (bytes: string | Uint8Array) => Buffer.from(bytes).toString("base64url");
    const refused: [name: string, values: string[]][] = [
      ["limit", ["0", "501", "-1", "1.5", "x", "", "1e99", "NaN"]],
      ["next_page", ["!", "a", "aa==", "AB", "a%20b", encode("a\0b"), encode(Uint8Array.of(0xff)), "A".repeat(1028)]],
    ];
    for (const [name, values] of refused) {
      for (const value of values) {
        const answer = await berth.api("GET", `${list.path}&${name}=${value}`);
        expectProblem(answer, 400, "invalid");
        expect(new Set(answer.body.errors.flatMap(({ path: at }: { path: string[] }) => at)), value).toEqual(
          new Set([name]),
        );
      }
    }
    for (const made of ["zzz", "%", "[]", "{}", "null", '["a"]', "01a206f0-af8d-787e-ac05-29d6f9c57857", "ü", "'"]) {
      expect([200, 400], made).toContain((await berth.api("GET", `${list.path}&next_page=${encode(made)}`)).status);
    }
  });
});
