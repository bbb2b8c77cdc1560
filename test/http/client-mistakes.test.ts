import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { basic, call, startBerth, type TestBerth } from "../support/berth.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";

let berth: TestBerth;
let issuer: TestIssuer;
const federation = "/organization/acme/robots/ci/federation";

beforeAll(async () => {
  [berth, issuer] = await Promise.all([startBerth(), startIssuer()]);
  await berth.createRobot("acme+ci", { federation: [{ issuer: issuer.url, subject }] });
});

afterAll(async () => {
  await Promise.all([berth.remove(), issuer.close()]);
});

describe("a client's mistake", () => {
  it("is not a database's outage when it hangs up in the middle of a body", async () => {
    const { port } = new URL(berth.url);
    const socket = connect(Number(port), "127.0.0.1");
    const head = "POST /oauth2/token HTTP/1.1\r\nHost: berth\r\nContent-Type: application/x-www-form-urlencoded\r\n";
    socket.write(`${head}Content-Length: 1000\r\n\r\ngrant_type=`);
    await new Promise((resolve) => setTimeout(resolve, 100));
    socket.resetAndDestroy();
    await expect.poll(() => berth.log.some((line) => line.includes('"route":"/oauth2/token"'))).toBe(true);
    expect(berth.log.filter((line) => line.includes('"level":"error"'))).toEqual([]);
  });

  it("never brings a path into the log: it may hold a token", async () => {
    for (const path of [
      `/api/v1/organization/${berth.adminToken}`,
      `/v2/auth/${berth.adminToken}`,
      `/${berth.adminToken}`,
    ]) {
      await call(berth.url + path, { headers: { authorization: `Bearer ${berth.adminToken}` } });
    }
    expect(berth.log.join("\n")).not.toContain(berth.adminToken);
  });

  it("is told as a missing credential when the job got no token", async () => {
    expect(await berth.exchange("acme+ci", "")).toMatchObject({ status: 401, body: { code: "credential_missing" } });
  });

  it("is told when a binding names the id of another issuer, and changes nothing", async () => {
    const [stored] = (await berth.api("GET", federation)).body;
    const wrong = { ...stored, issuer_id: stored.id, description: "changed" };
    expect(await berth.api("POST", federation, [wrong])).toMatchObject({
      status: 400,
      body: { errors: [{ path: [0, "issuer_id"] }] },
    });
    expect((await berth.api("GET", federation)).body).toEqual([stored]);
    expect((await berth.api("POST", federation, [stored])).body).toEqual([stored]);
  });

  it("is told what a condition and a grant look like", async () => {
    const claims = { ref: { matches: "main" } };
    const binding = await berth.api("POST", federation, [{ issuer: issuer.url, subject, claims }]);
    expect(binding.body.detail).toContain("exactly one of equals, in, prefix and contains");
    const grants = await berth.api("PUT", "/organization/acme/robots/ci/grants", [{ repository: "acme/a" }]);
    expect(grants.body.detail).toContain('"actions"');
  });

  it("is told when the token endpoint gets JSON", async () => {
    const answer = await call(`${berth.url}/v2/auth?scope=repository:acme/app:pull`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ grant_type: "password" }),
    });
    expect(answer).toMatchObject({ status: 400, body: { errors: [{ code: "UNSUPPORTED" }] } });
  });

  it("opens nothing with a robot token that is written in another way", async () => {
    const { token } = (await berth.exchange("acme+ci", await issuer.sign(berth.url))).body;
    const login = (password: string) =>
      call(`${berth.url}/v2/auth`, { headers: { authorization: basic("acme+ci", password) } });
    expect((await login(token)).status).toBe(200);
    for (const other of [`${token}=`, `${token} `, `${token}A`]) expect((await login(other)).status).toBe(401);
  });
});
