import { programVersion } from "../../support/registry-clients/all.ts";
import { distribution } from "../../support/registry-kinds.ts";
import { describeCompatibility } from "./cases.ts";

const program = "docker-registry";

describeCompatibility(["registry"], () =>
  distribution({ version: programVersion(program), program, keyProfile: "kid", trust: "rootcertbundle" }),
);
