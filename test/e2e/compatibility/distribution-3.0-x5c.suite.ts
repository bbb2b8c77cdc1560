import { distribution } from "../../support/registry-kinds.ts";
import { describeBuilt } from "./built.ts";
import { describeCompatibility } from "./cases.ts";

describeBuilt("distribution-v3.0.0", (program) =>
  describeCompatibility([], () =>
    distribution({ version: "3.0", program, keyProfile: "x5c", trust: "rootcertbundle" }),
  ),
);
