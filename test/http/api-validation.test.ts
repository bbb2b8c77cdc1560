import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startBerth, type TestBerth } from "../support/berth.ts";
import { callRaw, expectProblem } from "../support/problems.ts";

let berth: TestBerth;

beforeAll(async () => {
  berth = await startBerth();
  await berth.createRobot("acme+ci", {});
});

afterAll(() => berth.remove());

const robot = "/organization/acme/robots/ci";
const federation = `${robot}/federation`;

const pathsOf = (body: { errors: { path: unknown[] }[] }) => body.errors.map(({ path }) => path.join("."));

describe("a body that readers of JSON would read differently is refused:", () => {
  const latin1 = new Uint8Array([...Buffer.from('{"email":"caf'), 0xe9, ...Buffer.from('"}')]);
  const overlong = new Uint8Array([...Buffer.from('{"email":"'), 0xc0, 0xaf, ...Buffer.from('"}')]);
  const surrogate = new Uint8Array([...Buffer.from('{"email":"'), 0xed, 0xa0, 0x80, ...Buffer.from('"}')]);
  const utf16 = new Uint8Array(Buffer.from('{"email":null}', "utf16le"));

  it.each<[string, string | Uint8Array<ArrayBuffer>, RegExp]>([
    ["Latin-1", latin1, /UTF-8/],
    ["UTF-8 that is longer than it need be", overlong, /UTF-8/],
    ["half of a surrogate pair as UTF-8", surrogate, /UTF-8/],
    ["UTF-16", utf16, /not valid JSON/],
    ["a byte order mark", '\ufeff{"email":null}', /byte order mark/],
    ["a member twice", '{"email":"a","email":"b"}', /twice/],
    ["a member twice, once in other letters", '{"email":"a","\\u0065mail":"b"}', /twice/],
    ["a member twice within", '{"x":[{"a":{"b":1,"c":2,"b":1}}]}', /twice/],
    ["a comment", '{"email":null} // none', /not valid JSON/],
    ["a comma too many", '{"email":null,}', /not valid JSON/],
    ["a number that is none", '{"email":NaN}', /not valid JSON/],
  ])("%s", async (_, body, detail) => {
    expect(expectProblem(await callRaw(berth, "PATCH", "/organization/acme", body), 400, "invalid")).toMatch(detail);
  });

  it("but not one that has the same name in two objects, or a colon in a text", async () => {
    const body = '{"unstructured_metadata":{"a":{"a":":\\":\\"a\\":1"},"b":{"a":"\\\\"}}}';
    expect((await callRaw(berth, "PATCH", robot, body)).status).toBe(200);
  });

  it.each(["9007199254740993", "-9007199254740992", "1e16", "1e308", "1e400", "-1e400"])("%s", async (number) => {
    const body = `{"unstructured_metadata":{"a":[0,${number}]}}`;
    const answer = await callRaw(berth, "PATCH", robot, body);
    expect(expectProblem(answer, 400, "invalid")).toContain("2^53");
    expect(pathsOf(answer.body)).toEqual(["unstructured_metadata.a.1"]);
  });
});

describe("every problem of a body is told at once, with its path:", () => {
  it("those of its form and those of its characters together", async () => {
    const entry = '{"issuer":"https://ci.example","subject":"a"';
    const body = `[${[
      `${entry},"audiences":["\\u0000",7]}`,
      `${entry},"token_ttl":1,"mode":"try","claims":{"a":{"equals":"\\ud800"},"b":{"is":1}}}`,
      '{"issuer":5}',
      `${entry},"audience":["typo"],"expires_at":"soon","description":1e400}`,
      '"text"',
    ].join(",")}]`;
    const answer = await callRaw(berth, "POST", federation, body);
    expectProblem(answer, 400, "invalid");
    expect(new Set(pathsOf(answer.body))).toEqual(
      new Set([
        "0.audiences.0",
        "0.audiences.1",
        "1.token_ttl",
        "1.mode",
        "1.claims.a.equals",
        "1.claims.b",
        "2.issuer",
        "2.subject",
        "3",
        "3.expires_at",
        "3.description",
        "4",
      ]),
    );
    expect(answer.body.detail).toContain('Unrecognized key: "audience"');
  });

  it("those of an issuer's settings", async () => {
    const answer = await berth.api("POST", "/issuers", {
      issuer: "https://ci.example",
      name: "",
      algorithms: ["none"],
      max_token_age: 0,
      jwks: { keys: [] },
      disabled: "no",
      clients: [1],
      unknown: true,
    });
    expectProblem(answer, 400, "invalid");
    expect(pathsOf(answer.body).sort()).toEqual(
      ["", "algorithms.0", "clients.0", "disabled", "jwks.keys", "max_token_age", "name"].sort(),
    );
  });

  it("those of a query", async () => {
    const answer = await berth.api("GET", "/logs?limit=0&outcome=maybe&starttime=now&kind=a&kind=b");
    expectProblem(answer, 400, "invalid");
    expect(pathsOf(answer.body).sort()).toEqual(["kind", "limit", "outcome", "starttime"]);
  });
});

describe("text", () => {
  const controls = ["\u0007", "\u001b[31m", "\u007f", "\u0085", "\u2028", "\u202e", "a\nb", "a\tb"];

  it.each<[string, string, string, (text: string) => unknown]>([
    ["an e-mail address", "PATCH", "/organization/acme", (email) => ({ email })],
    ["an audience", "PATCH", "/organization/acme", (text) => ({ audiences: [text] })],
    ["an issuer's name", "POST", "/issuers", (name) => ({ issuer: "https://named.example", name })],
    ["a token's name", "POST", "/principals/admin/tokens", (name) => ({ name })],
    [
      "a binding's client",
      "POST",
      federation,
      (text) => [{ issuer: "https://ci.example", subject: "a", clients: [text] }],
    ],
    ["an organization's name", "POST", "/organization", (name) => ({ name })],
    ["a registry's service", "POST", "/registries", (service) => ({ service })],
  ])("of %s is on one line and holds no control characters", async (_, method, path, body) => {
    for (const text of controls) {
      expectProblem(await berth.api(method, path, body(`x${text}`)), 400, "invalid");
    }
  });

  it("of a description may have lines and tabs, and no other control characters", async () => {
    const lines = "One\n\tTwo\r\nThree\u200f";
    expect((await berth.api("PATCH", robot, { description: lines })).body.description).toBe(lines);
    for (const text of ["\u0007", "\u001b[31m", "\u007f", "\u0085"]) {
      const answer = await berth.api("PATCH", robot, { description: text });
      expectProblem(answer, 400, "invalid");
      expect(pathsOf(answer.body)).toEqual(["description"]);
    }
  });

  it("is kept as it came, in whatever script and normal form", async () => {
    const description = "Zürich Zu\u0308rich 東京 \u{1f433} \u05e9\u05dc\u05d5\u05dd";
    await berth.api("PATCH", robot, { description });
    expect((await berth.api("GET", robot)).body.description).toBe(description);
  });

  it("may be as long as its limit, counted in UTF-16, and no longer", async () => {
    expect((await berth.api("PATCH", robot, { description: "x".repeat(1024) })).status).toBe(200);
    expectProblem(await berth.api("PATCH", robot, { description: "x".repeat(1025) }), 400, "invalid");
  });
});

describe("a robot's metadata", () => {
  it("may have 16 KiB of JSON, in bytes", async () => {
    const around = '{"a":""}'.length;
    const full = { a: "é".repeat((16 * 1024 - around) / 2) };
    expect((await berth.api("PATCH", robot, { unstructured_metadata: full })).status).toBe(200);
    const answer = await berth.api("PATCH", robot, { unstructured_metadata: { a: `${full.a}x` } });
    expect(expectProblem(answer, 400, "invalid")).toContain("16384 bytes");
    expect(pathsOf(answer.body)).toEqual(["unstructured_metadata"]);
  });

  it("is no huge list", async () => {
    const answer = await berth.api("PATCH", robot, { unstructured_metadata: { a: Array(90_000).fill(0) } });
    expect(expectProblem(answer, 400, "invalid")).toContain("16384 bytes");
  });

  it("may be nested 16 deep", async () => {
    const nested = (depth: number) => `{"unstructured_metadata":${'{"a":'.repeat(depth)}1${"}".repeat(depth)}}`;
    expect((await callRaw(berth, "PATCH", robot, nested(16))).status).toBe(200);
    for (const depth of [17, 40, 150_000]) {
      const answer = await callRaw(berth, "PATCH", robot, nested(depth));
      expect(expectProblem(answer, 400, "invalid")).toContain("nested deeper");
      expect(pathsOf(answer.body)).toHaveLength(1);
    }
  });

  it.each(["constructor", "toString", "hasOwnProperty", "", "a.b", "$ref"])("may have a member %j", async (name) => {
    const answer = await callRaw(berth, "PATCH", robot, `{"unstructured_metadata":{${JSON.stringify(name)}:1}}`);
    expect(Object.entries(answer.body.unstructured_metadata)).toEqual([[name, 1]]);
  });

  it("has no member __proto__, wherever", async () => {
    const answer = await callRaw(
      berth,
      "PATCH",
      robot,
      '{"unstructured_metadata":{"a":[{"__proto__":{"admin":true}}]}}',
    );
    expectProblem(answer, 400, "invalid");
    expect(pathsOf(answer.body)).toEqual(["unstructured_metadata.a.0"]);
  });

  it.each([[[]], ["text"], [1], [null], [true]])("is an object, not %j", async (value) => {
    expectProblem(await berth.api("PATCH", robot, { unstructured_metadata: value }), 400, "invalid");
  });
});

describe("a member that is not known", () => {
  const entry = { issuer: "https://ci.example", subject: "a" };

  it.each<[string, string, unknown]>([
    ["POST", federation, [{ ...entry, audience: ["x"] }]],
    ["POST", `${federation}/bindings`, { ...entry, clams: {} }],
    ["POST", federation, [{ ...entry, claims: { a: { equals: "x", prefix: "y" } } }]],
    ["PUT", `${robot}/grants`, [{ repository: "acme/app", actions: ["pull"], registy: "other" }]],
    ["POST", `${robot}/regenerate`, { expires: "2030-01-01T00:00:00Z" }],
    ["PATCH", "/organization/acme", { anonymous_pull: [{ repository: "acme/app", registy: "other" }] }],
    ["PUT", "/organization/acme/members/admin", { role: "reader", rôle: "admin" }],
    ["POST", "/principals", { name: "terraform", superuser: false }],
    ["POST", "/principals/admin/tokens", { name: "narrow", readonly: true }],
    ["POST", "/issuers", { issuer: "https://ci.example", audience: ["x"] }],
    ["PATCH", `/registries/${"{service}"}`, { refresh: false }],
    ["POST", "/keys/rotate", { compromized: true }],
  ])("is refused where a typing error could widen access: %s %s %j", async (method, path, body) => {
    const at = path.replace("{service}", encodeURIComponent(berth.host));
    expectProblem(await berth.api(method, at, body), 400, "invalid");
  });

  it.each<[string, string, unknown, number]>([
    ["POST", "/organization", { name: "newest", recaptcha_response: "x" }, 201],
    ["PATCH", "/organization/acme", { tag_expiration_s: 1 }, 200],
    ["PUT", "/organization/acme/robots/other", { isExpanded: true }, 201],
    ["PATCH", robot, { name: "renamed" }, 200],
    ["PUT", "/repository/acme/app/permissions/user/acme+ci", { role: "read", is_robot: true }, 200],
  ])("is ignored elsewhere, as Quay does: %s %s %j", async (method, path, body, status) => {
    expect((await berth.api(method, path, body)).status).toBe(status);
  });
});

describe("a URL", () => {
  it.each([
    "/organization/%ff",
    "/organization/%zz",
    "/organization/acme/robots/%",
    "/logs?robot=%ff",
    "/logs?robot=%e4",
    "/logs?%=x",
    "/repository/acme/%c0%af/permissions/user/",
  ])("that cannot be decoded is 400: %s", async (path) => {
    expect(expectProblem(await berth.api("GET", path), 400, "invalid")).toContain("UTF-8");
  });

  it.each(["/logs?limit=1&limit=2", "/organization?next_page=&next_page=", "/bindings?issuer=a&issuer=b"])(
    "that gives a parameter twice is 400: %s",
    async (path) => {
      expectProblem(await berth.api("GET", path), 400, "invalid");
    },
  );

  it("may have a long query that means nothing, and no long parameter that means something", async () => {
    expect((await berth.api("GET", `/logs?x=${"y".repeat(20_000)}`)).status).toBe(200);
    expectProblem(await berth.api("GET", `/logs?kind=${"y".repeat(20_000)}`), 400, "invalid");
  });
});
