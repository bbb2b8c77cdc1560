import { distribution } from "../../support/registry-kinds.ts";
import { describeBuilt } from "./built.ts";
import { describeCompatibility } from "./cases.ts";

describeBuilt("distribution-v3.1.2", (program) =>
  describeCompatibility([], () =>
    distribution({ version: "3.1", program, keyProfile: "x5c", trust: "rootcertbundle" }),
  ),
);
