import { type Output, run } from "../run.ts";
import { configDigest, type Operations } from "./operations.ts";
import type { Seat } from "./seat.ts";

const runDocker = ({ environment }: Seat, ...args: string[]): Promise<Output> => run("docker", args, { environment });

/** The CLI by itself, without the daemon that pushes and pulls for it. */
export const docker = {
  login: ({ environment }, host, { username, password }) =>
    run("docker", ["login", "--username", username, "--password-stdin", host], { environment, input: password }),
  inspect: async (seat, image) =>
    configDigest((await runDocker(seat, "manifest", "inspect", "--insecure", image)).stdout),
} satisfies Operations;
