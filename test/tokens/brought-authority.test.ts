import { createPrivateKey, generateKeyPairSync } from "node:crypto";
import { beforeAll, describe, expect, it } from "vitest";
import { readAuthority } from "../../src/tokens/brought-authority.ts";
import {
  createAuthority,
  KeyUsageFlags,
  type TestAuthority,
  type TestAuthorityOptions,
} from "../support/authorities.ts";

const now = Date.UTC(2030, 0, 1);
const days = 24 * 3600 * 1000;
const later = now + 400 * days;
let root: TestAuthority;
let issuing: TestAuthority;

beforeAll(async () => {
  root = await createAuthority({ commonName: "Root", until: now + 4000 * days });
  issuing = await createAuthority({ by: root, until: later });
});

const read = (certificates: string, privateKey = issuing.privateKey) =>
  readAuthority({ certificates, privateKey }, now / 1000);
const chain = () => issuing.pem + root.pem;
const pemOf = async (options: Partial<TestAuthorityOptions>, above = root) => {
  const made = await createAuthority({ by: above, until: later, ...options });
  return read(made.pem + above.pem, made.privateKey);
};

describe("an authority that is brought along", () => {
  it.each<[string, () => Promise<ReturnType<typeof readAuthority>> | ReturnType<typeof readAuthority>]>([
    ["with the one above it", () => read(chain())],
    ["alone, as a root", () => read(root.pem, root.privateKey)],
    ["alone, though there is one above it", () => read(issuing.pem)],
    ["with Windows's line ends", () => read(chain().replaceAll("\n", "\r\n"))],
    ["without key usages", () => pemOf({})],
    ["with the key usages of an authority", () => pemOf({ usages: KeyUsageFlags.keyCertSign })],
    ["with nothing but leaves below it", () => pemOf({ pathLength: 0 })],
    ["good for 181 days", () => pemOf({ until: now + 181 * days })],
  ])("is taken %s", async (_, reading) => {
    const result = await reading();
    expect(result).toMatchObject({ ok: true, certificate: { pem: expect.stringMatching(/^-----BEGIN/) } });
  });

  it.each<[string, () => string]>([
    ["as it stands", chain],
    [
      "without what OpenSSL writes between",
      () => `subject=CN = x\n${issuing.pem}Bag Attributes: <none>\n${root.pem}\n`,
    ],
  ])("is known by its chain %s, and by when it ends", async (_, given) => {
    expect(await read(given())).toMatchObject({ ok: true, certificate: { pem: chain(), notAfter: later / 1000 } });
  });

  it("ends when the first of its chain does", async () => {
    const above = await createAuthority({ commonName: "Root", until: now + 200 * days });
    expect(await pemOf({}, above)).toMatchObject({ ok: true, certificate: { notAfter: now / 1000 + 200 * 24 * 3600 } });
  });

  const otherKey = (type: "rsa" | "ed25519" | "ec", namedCurve = "P-384") => {
    const options = { modulusLength: 2048, namedCurve };
    return generateKeyPairSync(type as "ec", options)
      .privateKey.export({ type: "pkcs8", format: "pem" })
      .toString();
  };
  const sec1 = () => createPrivateKey(issuing.privateKey).export({ type: "sec1", format: "pem" }).toString();
  const encrypted = () =>
    createPrivateKey(issuing.privateKey)
      .export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "x" })
      .toString();

  it.each<[string, () => string, RegExp]>([
    ["nothing", () => "", /P-256.*in unencrypted PKCS#8/],
    ["in the older form of openssl", sec1, /openssl pkcs8 -topk8/],
    ["encrypted", encrypted, /unencrypted/],
    ["for RSA", () => otherKey("rsa"), /P-256/],
    ["for Ed25519", () => otherKey("ed25519"), /P-256/],
    ["on another curve", () => otherKey("ec"), /P-256/],
    ["of another authority", () => root.privateKey, /is not the key of the first certificate/],
    ["cut short", () => `${issuing.privateKey.slice(0, 80)}\n-----END PRIVATE KEY-----`, /P-256/],
    ["beside another", () => issuing.privateKey + root.privateKey, /P-256/],
    ["without its lines", () => issuing.privateKey.replace(/-----.*-----/g, ""), /P-256/],
  ])("is refused with a private key %s, which is not told", async (_, privateKey, told) => {
    const result = await read(chain(), privateKey());
    expect(result).toEqual({
      ok: false,
      problem: { path: ["authority", "private_key"], message: expect.stringMatching(told) },
    });
    expect(JSON.stringify(result)).not.toContain(privateKey().split("\n")[1] || "-----BEGIN");
  });

  it.each<[string, () => Promise<string> | string, RegExp]>([
    ["nothing", () => "", /must hold 1 to 4/],
    ["no PEM", () => "rubbish", /cannot be read: number 1/],
    ["five", () => issuing.pem + root.pem.repeat(4), /must hold 1 to 4/],
    ["one that cannot be read", () => issuing.pem + issuing.pem.replace(/[A-Za-z0-9]{40}/, "A"), /number 2/],
    ["a private key", () => issuing.privateKey + issuing.pem, /cannot be read|must/],
    [
      "one that did not sign the first",
      async () => issuing.pem + (await createAuthority({ until: later })).pem,
      /number 1 is not/,
    ],
    [
      "one of the same name that did not sign the first",
      async () => issuing.pem + (await createAuthority({ commonName: "Root", until: later })).pem,
      /number 1 is not/,
    ],
  ])("is refused with %s for certificates", async (_, certificates, told) => {
    expect(await read(await certificates())).toEqual({
      ok: false,
      problem: { path: ["authority", "certificates"], message: expect.stringMatching(told) },
    });
  });

  it("is refused in the wrong order, since the first one is to have the key", async () => {
    const result = await read(root.pem + issuing.pem);
    expect(result).toMatchObject({ ok: false, problem: { path: ["authority", "private_key"] } });
  });

  it.each<[string, () => ReturnType<typeof readAuthority>, RegExp]>([
    ["no authority", () => pemOf({ ca: false }), /CA:TRUE/],
    ["not for signing certificates", () => pemOf({ usages: KeyUsageFlags.digitalSignature }), /keyCertSign/],
    ["not good yet", () => pemOf({ from: now + days }), /good already/],
    ["good for 180 days", () => pemOf({ until: now + 180 * days }), /180 days/],
    ["good no more", () => pemOf({ from: now - 9 * days, until: now - days }), /180 days/],
    ["on another curve", () => pemOf({ curve: "P-384" }), /P-256/],
  ])("is refused when it is %s", async (_, reading, told) => {
    const result = await reading();
    expect(result).toMatchObject({ ok: false, problem: { message: expect.stringMatching(told) } });
  });

  it.each<[string, Omit<TestAuthorityOptions, "commonName">]>([
    ["ends sooner", { until: now + 100 * days }],
    ["has ended", { from: now - 9 * days, until: now - days }],
    ["is not good yet", { from: now + days, until: later }],
    ["is no authority", { ca: false, until: later }],
    ["may not sign certificates", { usages: KeyUsageFlags.digitalSignature, until: later }],
    ["allows no authority below it", { pathLength: 0, until: later }],
  ])("is refused when the one above it %s: registries would refuse what it signs", async (_, options) => {
    const result = await pemOf({}, await createAuthority({ commonName: "Root", ...options }));
    expect(result).toMatchObject({ ok: false, problem: { path: ["authority", "certificates"] } });
  });
});
