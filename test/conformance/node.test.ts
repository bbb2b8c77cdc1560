import { conformance } from "./suite.ts";
import { startOnNode } from "./target.ts";

conformance("on Node, as a process with PostgreSQL", startOnNode);
