import { ConfigError } from "../../config.ts";
import type { Deps } from "../../deps.ts";
import type { Problem } from "../../domain/binding.ts";
import { serviceState, toWantedService } from "../../http/api/state-schema.ts";
import type { Actor } from "../../services/actor.ts";
import { putServiceState } from "../../services/desired-state/put-service-state.ts";
import { ManagementError } from "../../services/management-error.ts";

/**
 * Makes the service what a document says: the same that `PUT /api/v1/state` takes. Several instances that start
 * together do it one after the other, and the later ones find nothing to do.
 *
 * @throws {ConfigError} with every problem of the document; nothing is changed then
 */
export async function applyState(text: string, deps: Deps): Promise<void> {
  const state = serviceState.safeParse(parse(text));
  if (!state.success)
    throw toConfigError(state.error.issues.map(({ path, message }) => ({ path: path.map(String), message })));
  try {
    const { changes } = await putServiceState(deps, operator(deps), toWantedService(state.data), false);
    for (const { action, kind, organization, name } of changes) {
      deps.log.info("the state file made a change", { action, kind, ...(organization && { organization }), name });
    }
    deps.log.info("the state file is applied", { changes: changes.length });
  } catch (error) {
    if (error instanceof ManagementError) {
      throw toConfigError(error.problems.length > 0 ? error.problems : [{ path: [], message: error.message }]);
    }
    throw error;
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw toConfigError([{ path: [], message: `is not valid JSON: ${(error as Error).message}` }]);
  }
}

/** Whoever may write the file may do all. */
function operator({ random }: Deps): Actor {
  return {
    id: "00000000-0000-0000-0000-000000000000",
    name: "BERTH_STATE_FILE",
    access: { superUser: true, roles: new Map() },
    token: { readOnly: false, organizationIds: null, expiresAt: null },
    stands: async () => true,
    requestId: random.uuid(),
    clientAddress: undefined,
  };
}

function toConfigError(problems: readonly Problem[]): ConfigError {
  return new ConfigError(problems.map(({ path, message }) => `BERTH_STATE_FILE: ${[...path, message].join(" ")}`));
}
