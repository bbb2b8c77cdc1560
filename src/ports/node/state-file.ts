import { ConfigError } from "../../config.ts";
import type { Deps } from "../../deps.ts";
import { readDocument } from "../../http/api/json-body.ts";
import { toProblem, type z } from "../../http/api/route.ts";
import { serviceState, toWantedService } from "../../http/api/state-schema.ts";
import type { Actor } from "../../services/actor.ts";
import { putServiceState } from "../../services/desired-state/put-service-state.ts";
import { ManagementError, refuseProblems } from "../../services/management-error.ts";

/**
 * Makes the service what a document says: the same that `PUT /api/v1/state` takes. Several instances that start
 * together do it one after the other, and the later ones find nothing to do.
 *
 * @throws {ConfigError} with every problem of the document; nothing is changed then
 */
export async function applyState(file: Uint8Array, deps: Deps): Promise<void> {
  try {
    const { changes } = await putServiceState(deps, operator(deps), toWantedService(read(file)), false);
    for (const { action, kind, organization, name } of changes) {
      deps.log.info("the state file made a change", { action, kind, ...(organization && { organization }), name });
    }
    deps.log.info("the state file is applied", { changes: changes.length });
  } catch (error) {
    if (!(error instanceof ManagementError)) throw error;
    const problems = error.problems.length > 0 ? error.problems : [{ path: [], message: error.message }];
    throw new ConfigError(problems.map(({ path, message }) => `BERTH_STATE_FILE: ${[...path, message].join(" ")}`));
  }
}

function read(file: Uint8Array): z.infer<typeof serviceState> {
  const { document, problems } = readDocument(file);
  const state = serviceState.safeParse(document);
  refuseProblems([...problems, ...(state.error?.issues ?? []).map(toProblem)]);
  return state.data as z.infer<typeof serviceState>;
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
