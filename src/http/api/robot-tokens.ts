import type { Deps } from "../../deps.ts";
import { limits } from "../../limits.ts";
import { deleteRobotTokens, regenerateRobotToken } from "../../services/manage-robot-tokens.ts";
import { idempotencyKey } from "./describe-route.ts";
import { dockerConfig, kubernetesSecret, loginCommand } from "./login-formats.ts";
import { presentRobot, presentToken, robot } from "./robots.ts";
import { actorOf, body, createApi, createRoute, z } from "./route.ts";
import { instant, robotParam } from "./schemas.ts";

const dockerConfigJson = z
  .object({ auths: z.record(z.string(), z.object({ auth: z.string() })) })
  .openapi("DockerConfigJson");

const regenerated = createRoute({
  method: "post",
  path: "/organization/{org}/robots/{robot}/regenerate",
  parameters: [idempotencyKey],
  summary: "Give a robot a new static token, shown in this one reply; those before it end",
  request: {
    params: robotParam,
    query: z.object({
      format: z
        .enum(["docker", "podman", "dockerconfigjson", "kubernetes"])
        .optional()
        .openapi({ description: "Ready to use; absent: the robot with its token" }),
      registry: z
        .string()
        .max(255)
        .optional()
        .openapi({ description: "Its `service`, for the formats; absent: the default registry" }),
    }),
    body: body(
      // A typo must not make a token that never ends.
      z.strictObject({
        expires_at: instant.nullable().optional().openapi({ description: "Absent or null: when it is ended" }),
        keep_old_seconds: z
          .int()
          .min(0)
          .max(limits.staticTokens.maxKeepOldSeconds)
          .optional()
          .openapi({ description: "How long the tokens before it stay good; absent: they end now" }),
      }),
      false,
    ),
  },
  responses: {
    200: {
      description: "The robot with its token, or what the format says",
      content: {
        "application/json": { schema: z.union([robot, dockerConfigJson]) },
        "text/plain": { schema: z.string() },
        "application/yaml": { schema: z.string() },
      },
    },
  },
});

const deleted = createRoute({
  method: "delete",
  path: "/organization/{org}/robots/{robot}/token",
  summary: "End the static tokens of a robot, if it has any",
  request: { params: robotParam },
  responses: { 204: { description: "Ended" } },
});

export function robotTokenRoutes(deps: Deps) {
  const api = createApi();
  api.openapi(regenerated, async (c) => {
    const { org: organization, robot: name } = c.req.valid("param");
    const { format, registry } = c.req.valid("query");
    const { expires_at: expiresAt, keep_old_seconds: keepOldSeconds = 0 } = c.req.valid("json");
    const robotName = { organization, robot: name };
    const made = await regenerateRobotToken(deps, actorOf(c), robotName, {
      ...(expiresAt && { expiresAt: new Date(expiresAt) }),
      keepOldSeconds,
      registry,
    });
    if (!made.issued) return c.json(presentRobot(organization, made.robot), 200);
    const login = { robot: robotName, token: made.issued.token.reveal(), host: made.host };
    switch (format) {
      case undefined:
        return c.json({ ...presentRobot(organization, made.robot), ...presentToken(made.issued) }, 200);
      case "docker":
      case "podman":
        return c.text(loginCommand(format, login), 200);
      case "dockerconfigjson":
        return c.json(dockerConfig(login), 200);
      case "kubernetes":
        return c.body(kubernetesSecret(login), 200, { "Content-Type": "application/yaml" });
    }
  });
  api.openapi(deleted, async (c) => {
    const { org: organization, robot: name } = c.req.valid("param");
    await deleteRobotTokens(deps, actorOf(c), { organization, robot: name });
    return c.body(null, 204);
  });
  return api;
}
