import { conformance } from "./suite.ts";
import { startOnWorkers } from "./target.ts";

conformance("on Workers, with Hyperdrive's string to PostgreSQL", startOnWorkers);
