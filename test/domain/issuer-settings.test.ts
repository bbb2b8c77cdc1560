import { describe, expect, it } from "vitest";
import { type IssuerSettings, settingsProblems } from "../../src/domain/issuer-settings.ts";
import { presets } from "../../src/domain/presets.ts";

const rules = { publicUrl: "https://berth.example", allowInsecure: false };
const unset: IssuerSettings = {
  name: null,
  preset: null,
  jwks: null,
  jwksUri: null,
  caPem: null,
  algorithms: null,
  allowPrivateNetwork: false,
  maxTokenAge: null,
  replayProtection: null,
  audiences: null,
  clients: null,
  disabled: false,
};
const key = { kty: "EC", crv: "P-256", x: "x", y: "y", kid: "a" };
const pem = "-----BEGIN CERTIFICATE-----\nMIIB+/Aa==\n-----END CERTIFICATE-----\n";

/** The places of the problems that an issuer with these settings has. */
const problems = (settings: Partial<IssuerSettings>, given = rules, issuer = "https://ci.example") =>
  settingsProblems(issuer, { ...unset, ...settings }, given).map(({ path }) => path.join("."));

describe("an issuer's settings", () => {
  it.each<[string, Partial<IssuerSettings>]>([
    ["nothing", {}],
    ["all", { preset: "github-actions", jwks: { keys: [key] }, caPem: pem, audiences: ["a"], clients: ["b"] }],
    ["several certificates", { caPem: `${pem}\n${pem}` }],
    ["certificates with Windows' ends of lines", { caPem: pem.replaceAll("\n", "\r\n") }],
    ["a jwks_uri elsewhere, with a query and a port", { jwksUri: "https://keys.example:8443/jwks?tenant=1" }],
    ["a client and no audience", { audiences: [], clients: ["b"] }],
    ["no client", { clients: [] }],
  ])("may be %s", (_, settings) => {
    expect(problems(settings)).toEqual([]);
  });

  it.each(presets.map(({ id }) => [id]))("may name the preset %s", (preset) => {
    expect(problems({ preset })).toEqual([]);
  });

  it.each<[string, Partial<IssuerSettings>, string]>([
    ["a preset that there is not", { preset: "github" }, "preset"],
    ["a preset of another case", { preset: "GitHub-Actions" }, "preset"],
    ["a jwks_uri over http", { jwksUri: "http://keys.example" }, "jwks_uri"],
    ["a jwks_uri over ftp", { jwksUri: "ftp://keys.example" }, "jwks_uri"],
    ["a file as jwks_uri", { jwksUri: "file:///etc/passwd" }, "jwks_uri"],
    ["a relative jwks_uri", { jwksUri: "/jwks" }, "jwks_uri"],
    ["an empty jwks_uri", { jwksUri: "" }, "jwks_uri"],
    ["a jwks_uri with a user", { jwksUri: "https://user@keys.example" }, "jwks_uri"],
    ["a jwks_uri with a password", { jwksUri: "https://:secret@keys.example" }, "jwks_uri"],
    ["a jwks_uri with a fragment", { jwksUri: "https://keys.example/#x" }, "jwks_uri"],
    ["a jwks_uri at the service itself", { jwksUri: "https://BERTH.example:443/x" }, "jwks_uri"],
    ["a jwks_uri beside jwks", { jwks: { keys: [key] }, jwksUri: "https://keys.example" }, "jwks_uri"],
    ["an empty ca_pem", { caPem: "" }, "ca_pem"],
    ["a ca_pem with something before", { caPem: `x${pem}` }, "ca_pem"],
    ["a ca_pem with something after", { caPem: `${pem}x` }, "ca_pem"],
    ["a ca_pem with something between", { caPem: `${pem}x${pem}` }, "ca_pem"],
    ["a private key in ca_pem", { caPem: pem.replaceAll("CERTIFICATE", "PRIVATE KEY") }, "ca_pem"],
    ["neither audience nor client", { audiences: [] }, "audiences"],
    ["no audience and no client", { audiences: [], clients: [] }, "audiences"],
  ])("must not be %s", (_, settings, path) => {
    expect(problems(settings)).toEqual([path]);
  });

  it.each<[Partial<IssuerSettings>, string]>([
    [{ preset: "x" }, `must be one of ${presets.map(({ id }) => id).join(", ")}`],
    [{ jwksUri: "x" }, "must be an https URL with no user and no fragment"],
    [{ jwksUri: rules.publicUrl }, "must not be at this service itself"],
    [{ caPem: "x" }, "must be certificates in PEM"],
    [{ caPem: "PRIVATE KEY" }, "holds a private key: send certificates alone, and replace that key"],
    [
      { jwks: { keys: [{ ...key, d: "x" }] } },
      "is a private or symmetric key: upload the public half alone, and replace a key that was sent",
    ],
    [{ jwks: { keys: [{ ...key, kid: "" }] } }, "must have a kid of 1 to 256 characters"],
    [{ jwks: { keys: [key, key] } }, "has the kid of another key"],
  ])("as %j are refused in words that say what to do", (settings, message) => {
    expect(settingsProblems("https://ci.example", { ...unset, ...settings }, rules)).toMatchObject([{ message }]);
  });

  it("may be over http in development alone", () => {
    const insecure = { ...rules, allowInsecure: true };
    expect(problems({ jwksUri: "http://keys.example" }, insecure, "http://ci.example")).toEqual([]);
    expect(problems({ jwksUri: "ftp://keys.example" }, insecure)).toEqual(["jwks_uri"]);
    expect(problems({}, rules, "http://ci.example")).toEqual(["issuer"]);
  });

  it("are told by all their problems at once", () => {
    const all = { preset: "x", jwksUri: "x", caPem: "x", audiences: [], jwks: { keys: [{ d: "x" }] } };
    expect(problems(all, rules, "x")).toEqual(
      expect.arrayContaining(["issuer", "preset", "jwks_uri", "ca_pem", "audiences", "jwks.keys.0"]),
    );
  });
});

describe("an uploaded key", () => {
  it.each(["d", "p", "q", "dp", "dq", "qi", "k"])("has no %s, not even an empty one", (member) => {
    for (const value of ["x", "", null]) {
      expect(problems({ jwks: { keys: [{ ...key, [member]: value }] } })).toEqual(["jwks.keys.0"]);
    }
  });

  it.each([undefined, null, "", 1, {}, "k".repeat(257)])(
    "has a kid that is a text of 1 to 256 characters: not %j",
    (kid) => {
      expect(problems({ jwks: { keys: [{ ...key, kid }] } })).toEqual(["jwks.keys.0"]);
    },
  );

  it("has a kid of its own", () => {
    const kids = ["a", "b", "a", "A", "k".repeat(256), "a"];
    expect(problems({ jwks: { keys: kids.map((kid) => ({ ...key, kid })) } })).toEqual(["jwks.keys.2", "jwks.keys.5"]);
  });
});
