import { afterAll, beforeAll, expect, it } from "vitest";
import { startTinyproxy, type TestProxy } from "../support/proxy.ts";
import { describeWith } from "../support/requirements.ts";
import { type PrivateIssuer, startPrivateIssuer } from "./private-issuer.ts";

describeWith(["tinyproxy"], "the service behind a forward proxy", () => {
  let proxy: TestProxy;
  let one: PrivateIssuer;

  beforeAll(async () => {
    proxy = await startTinyproxy({ user: "berth", password: "hunter2" });
    one = await startPrivateIssuer({ HTTPS_PROXY: `http://berth:hunter2@127.0.0.1:${proxy.port}`, LOG_LEVEL: "debug" });
  });

  afterAll(async () => {
    await one?.close();
    await proxy?.close();
  });

  const ours = () => ({ ca_pem: one.authority });

  it("lets it see CONNECT to an address, and not a name, a path or a header", async () => {
    const { exchange } = await one.register({ ...ours(), allow_private_network: true });
    expect(await exchange()).toBe("granted");
    expect(proxy.requests().length).toBeGreaterThan(0);
    for (const line of proxy.requests()) {
      expect([`CONNECT 127.0.0.1:${one.server.port}`, `CONNECT [::1]:${one.server.port}`]).toContain(line);
    }
  });

  it("lets it see nothing of an issuer that may not be where it is", async () => {
    const before = proxy.requests().length;
    const { exchange } = await one.register(ours());
    expect(await exchange()).toMatch(/^503 issuer_unreachable: .*not public/);
    expect(proxy.requests()).toHaveLength(before);
  });

  it("tells its password to nobody, though the proxy is gone", async () => {
    await proxy.close();
    const { exchange } = await one.register({ ...ours(), allow_private_network: true });
    const told = await exchange();
    expect(told).toMatch(/^503 issuer_unreachable: the forward proxy cannot be used \(ECONNREFUSED\)$/);
    const encoded = Buffer.from("berth:hunter2").toString("base64");
    for (const secret of ["hunter2", encoded]) expect(`${told}\n${one.berth.log.join("\n")}`).not.toContain(secret);
  });
});
