import { beforeAll, describe, it } from "vitest";

describe("a suite that cannot begin", () => {
  beforeAll(() => {
    throw new Error("on purpose");
  });
  it("is not reached", () => {});
});
