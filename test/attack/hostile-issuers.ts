import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { expect } from "vitest";
import type { Environment } from "../../src/environment.ts";
import { type ApiAnswer, startBerth, type TestBerth } from "../support/berth.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import { expectRefusal, expectRefusalRecord } from "../support/refusals.ts";

export const DOCUMENT = "/.well-known/openid-configuration";
export const KEYS = "/jwks";

/** The service, and issuers that mean it ill. Each has an organization and a robot that trusts it. */
export interface HostileIssuers {
  readonly berth: TestBerth;
  /** Starts an issuer and lets `arrange` turn it hostile before anybody binds it. Without `organization` it gets one of its own. */
  start(arrange?: Arrange, organization?: string): Promise<BoundIssuer>;
  close(): Promise<void>;
}

export type Arrange = (issuer: HostileIssuer) => void;

export interface HostileIssuer extends Pick<TestIssuer, "url" | "kid" | "requests" | "sign" | "rotate"> {
  /** Answers a path from now on. */
  answer(path: string, answer: Answer): void;
  /** Answers a path with bytes as they are to stand on the wire, head and all; and then leaves the line open or not. */
  answerRaw(path: string, bytes: string | Uint8Array, then?: "end" | "wait"): void;
  answerJson(path: string, body: unknown, headers?: Readonly<Record<string, string>>): void;
}

type Answer = (response: ServerResponse, request: IncomingMessage) => void;

export interface BoundIssuer {
  readonly issuer: HostileIssuer;
  readonly robot: string;
  /** A token that would be good if its issuer could be had, signed by the service's clock. */
  sign(claims?: Record<string, unknown>, header?: Record<string, unknown>): Promise<string>;
  exchange(token?: string): Promise<ApiAnswer>;
  /** Of those that brought an answer made hostile. */
  openConnections(): number;
  /** Checks that a token is refused with one record, and that no connection stays. */
  expectRefused(code: RegExp | string): Promise<string>;
}

export async function openHostileIssuers(environment: Environment = {}): Promise<HostileIssuers> {
  const berth = await startBerth({ environment: { BERTH_RATE_LIMITS: "off", ...environment } });
  const issuers: TestIssuer[] = [];
  return {
    berth,
    async start(arrange, organization) {
      const started = await startIssuer();
      issuers.push(started);
      const { issuer, sockets } = makeHostile(started);
      arrange?.(issuer);
      const name = `${issuers.length}`;
      const robot = organization ? `${organization}+ci-${name}` : `org-${name}+ci`;
      await berth.createRobot(robot, { federation: [{ issuer: issuer.url, subject }] });
      return bind(berth, issuer, robot, sockets);
    },
    async close() {
      await berth.remove();
      await Promise.all(issuers.map((issuer) => issuer.close()));
    },
  };
}

function bind(berth: TestBerth, issuer: HostileIssuer, robot: string, sockets: ReadonlySet<Socket>): BoundIssuer {
  const bound: BoundIssuer = {
    issuer,
    robot,
    sign(claims, header) {
      const now = Math.floor(berth.clock.now() / 1000);
      return issuer.sign(berth.url, { iat: now, nbf: now, exp: now + 300, ...claims }, header);
    },
    exchange: async (token) => berth.exchange(robot, token ?? (await bound.sign())),
    openConnections: () => [...sockets].filter((socket) => !socket.destroyed).length,
    async expectRefused(code) {
      const answer = await bound.exchange();
      const isOutage = answer.status === 503;
      expectRefusal(answer, isOutage ? 503 : 400, isOutage ? answer.body.code : "token_refused");
      const record = await expectRefusalRecord(berth, answer, expect.stringMatching(code) as never);
      if (isOutage) expect(record.code).toBe(answer.body.code);
      await expect.poll(bound.openConnections).toBe(0);
      return record.metadata.reason.detail;
    },
  };
  return bound;
}

function makeHostile(started: TestIssuer) {
  const sockets = new Set<Socket>();
  const answer = (path: string, handler: Answer) =>
    started.answer(path, (request, response) => {
      sockets.add(request.socket);
      request.socket.on("error", () => {});
      handler(response, request);
    });
  const issuer: HostileIssuer = {
    url: started.url,
    get kid() {
      return started.kid;
    },
    requests: started.requests,
    sign: started.sign,
    rotate: started.rotate,
    answer,
    answerRaw: (path, bytes, then = "end") =>
      answer(path, (_, { socket }) => {
        socket.write(bytes);
        if (then === "end") socket.end();
      }),
    answerJson: (path, body, headers = {}) =>
      answer(path, (response) =>
        response.writeHead(200, { "content-type": "application/json", ...headers }).end(JSON.stringify(body)),
      ),
  };
  return { issuer, sockets };
}
