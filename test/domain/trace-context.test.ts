import { describe, expect, it } from "vitest";
import { parseTraceparent } from "../../src/domain/trace-context.ts";

const trace = "0af7651916cd43dd8448eb211c80319c";
const span = "b7ad6b7169203331";

describe("a traceparent", () => {
  it("names the trace, the caller's span and whether it was recorded", () => {
    expect(parseTraceparent(`00-${trace}-${span}-01`)).toEqual({ traceId: trace, spanId: span, flags: 1 });
    expect(parseTraceparent(`00-${trace}-${span}-00`)?.flags).toBe(0);
  });

  it("of a later version may have more behind what is known", () => {
    const expected = { traceId: trace, spanId: span, flags: 1 };
    expect(parseTraceparent(`cc-${trace}-${span}-01`)).toEqual(expected);
    expect(parseTraceparent(`cc-${trace}-${span}-01-what-comes`)).toEqual(expected);
  });

  it.each([
    undefined,
    "",
    "nonsense",
    `ff-${trace}-${span}-01`,
    `00-${"0".repeat(32)}-${span}-01`,
    `00-${trace}-${"0".repeat(16)}-01`,
    `00-${trace.toUpperCase()}-${span}-01`,
    `00-${trace}-${span}-01-more`,
    `00-${trace}-${span}`,
    `00-${trace}-${span}-1`,
    ` 00-${trace}-${span}-01`,
    `cc-${trace}-${span}-01.more`,
    `00-${trace}-${span}-01, 00-${trace}-${span}-01`,
  ])("is none when it is %s", (header) => {
    expect(parseTraceparent(header)).toBeUndefined();
  });
});
