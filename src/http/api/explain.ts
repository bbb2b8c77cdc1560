import type { Deps } from "../../deps.ts";
import type { Refusal } from "../../domain/refusal.ts";
import { describeRefusal, tellCaller } from "../../errors.ts";
import { limits } from "../../limits.ts";
import {
  type ExplainedBinding,
  type ExplainedRule,
  type Explanation,
  explainExchange,
  explainToken,
} from "../../services/explain.ts";
import { actorOf, body, createApi, createRoute, json, z } from "./route.ts";
import { robotParam } from "./schemas.ts";

const seen = z.unknown().openapi({ description: "Any JSON" });

const rule = z
  .object({
    rule: z.string().openapi({ example: "subject" }),
    claim: z.string().optional().openapi({ description: "Of a condition on a claim" }),
    passed: z
      .boolean()
      .nullable()
      .openapi({ description: "null: not reached, or what it looks at was not kept with the record" }),
    expected: seen,
    found: seen,
    code: z.string().optional(),
    message: z.string().optional(),
  })
  .openapi("RuleOutcome");

const explanation = z
  .object({
    granted: z.boolean(),
    code: z.string().openapi({ description: "`granted`, or the reason code of the refusal" }),
    message: z.string(),
    told: z
      .object({ status: z.int(), code: z.string(), message: z.string() })
      .nullable()
      .openapi({ description: "What the caller of the exchange is told of a refusal" }),
    token_verified: z.boolean().openapi({ description: "Whether an issuer that the robot trusts signed it" }),
    token: z
      .object({ issuer: z.string(), subject: z.string(), audience: z.array(z.string()) })
      .nullable()
      .openapi({ description: "null where it cannot be read, or where nothing was kept of it" }),
    bindings: z.array(
      z.object({
        id: z.uuid(),
        version: z.int(),
        issuer: z.string(),
        issuer_id: z.uuid(),
        subject: z.string(),
        mode: z.enum(["enforce", "audit"]),
        matched: z.boolean().openapi({ description: "Whether it accepts the token, as far as can be told" }),
        mints: z.boolean(),
        rules: z.array(rule),
      }),
    ),
  })
  .openapi("Explanation");

const past = explanation.extend({ request_id: z.string(), datetime: z.iso.datetime() }).openapi("PastExplanation");

const path = "/organization/{org}/robots/{robot}/federation/explain";

const explained = createRoute({
  method: "post",
  path,
  summary: "Explain what an exchange of this token would come to",
  description: "Every rule of every binding, by the code that decides. Mints nothing, and keeps nothing of the token.",
  request: {
    params: robotParam,
    body: body(z.strictObject({ token: z.string().min(1).max(limits.http.exchangeBodyBytes) })),
  },
  responses: { 200: json(explanation, "The explanation") },
});

const explainedPast = createRoute({
  method: "get",
  path: `${path}/{request_id}`,
  summary: "Explain an exchange that happened",
  description: "Its decision as it was made; its rules as the bindings are now, by the claims kept with its record.",
  request: { params: robotParam.extend({ request_id: z.string().max(255) }) },
  responses: { 200: json(past, "The explanation") },
});

export function explainRoutes(deps: Deps) {
  const api = createApi();
  api.openapi(explained, async (c) => {
    const { org, robot } = c.req.valid("param");
    const { token } = c.req.valid("json");
    return c.json(present(await explainToken(deps, actorOf(c), { organization: org, robot }, token)), 200);
  });
  api.openapi(explainedPast, async (c) => {
    const { org, robot, request_id: requestId } = c.req.valid("param");
    const explanation = await explainExchange(deps, actorOf(c), { organization: org, robot }, requestId);
    const { record } = explanation;
    return c.json({ ...present(explanation), request_id: record.requestId, datetime: record.at.toISOString() }, 200);
  });
  return api;
}

function present({ refusal, verified, claims, bindings }: Explanation): z.infer<typeof explanation> {
  return {
    granted: refusal === undefined,
    code: refusal?.code ?? "granted",
    message: refusal ? describeRefusal(refusal) : "A binding matches: an exchange gives a robot token.",
    told: refusal ? presentTelling(refusal) : null,
    token_verified: verified,
    token: claims ? { issuer: claims.iss, subject: claims.sub, audience: [...claims.aud] } : null,
    bindings: bindings.map(presentBinding),
  };
}

function presentTelling(refusal: Refusal) {
  const { status, code, message } = tellCaller(refusal);
  return { status, code, message };
}

function presentBinding({ binding, rules, matched, mints }: ExplainedBinding) {
  const { id, version, issuer, issuerId, subject, mode } = binding;
  return { id, version, issuer, issuer_id: issuerId, subject, mode, matched, mints, rules: rules.map(presentRule) };
}

function presentRule({ rule: name, claim, passed, expected, found, refusal }: ExplainedRule) {
  return {
    rule: name,
    ...(claim !== undefined && { claim }),
    passed,
    expected,
    found,
    ...(refusal && { code: refusal.code, message: describeRefusal(refusal) }),
  };
}
