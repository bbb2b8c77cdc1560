import { zot } from "../../support/registry-kinds.ts";
import { describeBuilt } from "./built.ts";

describeBuilt("zot-v2.1.20", (program) => zot({ version: "2.1", program }));
