import cluster from "node:cluster";
import { once } from "node:events";
import { createServer } from "node:http";
import { createNodeMetrics } from "../../src/ports/node/metrics.ts";
import { gatherFromPrimary, relayMetrics } from "../../src/ports/node/metrics-cluster.ts";

/**
 * Two workers on one port, as processes of their own. `/exchanges` counts one and tells who did; `/metrics` is all
 * their figures, by whichever answers; `/freeze` keeps the worker from doing anything else for a while.
 */
const [, , port] = process.argv;

if (cluster.isPrimary) {
  relayMetrics();
  const workers = [cluster.fork(), cluster.fork()];
  await Promise.all(workers.map((worker) => once(worker, "listening")));
  console.log("ready");
  process.on("SIGTERM", () => process.exit(0));
} else {
  const metrics = createNodeMetrics({ share: gatherFromPrimary });
  createServer(async (request, response) => {
    response.setHeader("connection", "close");
    if (request.url === "/exchanges") metrics.exchange("granted", "granted");
    if (request.url === "/freeze") Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2500);
    if (request.url === "/end") setImmediate(() => process.exit(1));
    response.end(request.url === "/metrics" ? (await metrics.page("prometheus")).text : String(process.pid));
  }).listen(Number(port), "127.0.0.1");
}
