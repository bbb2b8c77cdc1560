import { zot } from "../../support/registry-kinds.ts";
import { describeBuilt } from "./built.ts";
import { describeCompatibility } from "./cases.ts";

describeBuilt("zot-v2.1.20", (program) => describeCompatibility([], () => zot({ version: "2.1", program })));
