import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatTime, isPlainText, printable } from "../../src/domain/text.ts";

describe("plain text", () => {
  it.each(["", "acme", "a b", "é 日本 🚢", "{}%@:*"])("may be %j", (text) => {
    expect(isPlainText(text)).toBe(true);
  });

  it.each(["\u0000", "a\nb", "a\tb", "\u007f", "\u0085", "\ud800", "a\udc00b"])("may not be %j", (text) => {
    expect(isPlainText(text)).toBe(false);
  });
});

describe("text made fit for a log", () => {
  it("is plain and short, whatever it was", () => {
    const anyText = fc.string({ unit: "binary", maxLength: 300 });
    fc.assert(
      fc.property(anyText, fc.constantFrom("", "\ud83d", "\u0000"), (text, tail) => {
        const fit = printable(text + tail, 100);
        expect(isPlainText(fit)).toBe(true);
        expect(fit.length).toBeLessThanOrEqual(101);
      }),
    );
  });

  it("leaves plain text alone", () => {
    expect(printable("repo:acme/app 🚢")).toBe("repo:acme/app 🚢");
  });

  it.each([
    ["abcd", "abcd"],
    ["abcde", "abcd…"],
    ["a\nb\u0000", "a\ufffdb\ufffd"],
    ["a\ud800", "a\ufffd"],
  ])("of four characters is made of %j as %j", (text, fit) => {
    expect(printable(text, 4)).toBe(fit);
  });
});

describe("a time", () => {
  it.each([
    [1_800_000_000, "2027-01-15T08:00:00.000Z"],
    [-0.5, "1969-12-31T23:59:59.500Z"],
    [1e300, "1e+300"],
  ])("of %d seconds is written %s", (seconds, written) => {
    expect(formatTime(seconds)).toBe(written);
  });
});
