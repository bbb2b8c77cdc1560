import { it } from "vitest";

it.skipIf(true)("is left out (left out: on purpose)", () => {});
