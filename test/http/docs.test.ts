import { type Browser, chromium } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { call, startBerth, type TestBerth } from "../support/berth.ts";
import { describeWith, pathOf } from "../support/requirements.ts";

let berth: TestBerth;
/** By name, with the operation's summary. */
let operations: { operationId: string; summary: string }[];
let schemas: string[];

beforeAll(async () => {
  berth = await startBerth();
  const { body } = await call(`${berth.url}/openapi.json`);
  operations = Object.values<object>(body.paths).flatMap((item) => Object.values(item));
  schemas = Object.keys(body.components.schemas);
});

afterAll(() => berth.remove());

describe("/docs", () => {
  let page: string;
  let headers: Headers;

  beforeAll(async () => {
    const answer = await call(`${berth.url}/docs`);
    expect(answer.status).toBe(200);
    page = answer.body;
    headers = answer.headers;
  });

  it("is a page for whoever asks, with no script, and with nothing from another place", () => {
    expect(headers.get("content-type")).toMatch(/^text\/html; charset=utf-8/i);
    expect(headers.get("content-security-policy")).toMatch(
      /^default-src 'none'; style-src 'sha256-[\w+/]{43}='; base-uri 'none'; form-action 'none'; frame-ancestors 'none'$/,
    );
    expect(headers.get("referrer-policy")).toBe("no-referrer");
    expect(headers.has("set-cookie")).toBe(false);
    expect(page).not.toMatch(/<script|<img|<iframe|<link|<object|\bon\w+=|\bsrc=|style=|url\(|@import/i);
    for (const [, target = ""] of page.matchAll(/href="([^"]*)"/g)) expect(target).toMatch(/^(#|\/openapi\.json$)/);
  });

  it("shows every operation and every schema that the API describes", () => {
    for (const { operationId } of operations) expect(page).toContain(`<section id="${operationId}">`);
    for (const name of schemas) expect(page).toContain(`<section id="schema-${name}">`);
    expect(page).toContain("/api/v1/organization/{org}/robots/{robot}");
  });

  it("leads nowhere that is not there", () => {
    const places = Array.from(page.matchAll(/ id="([^"]*)"/g), ([, id]) => id);
    expect(new Set(places).size).toBe(places.length);
    for (const [, target] of page.matchAll(/href="#([^"]*)"/g)) expect(places).toContain(target);
  });

  it("shows what is code in its letters, and no markup that is none", () => {
    expect(page).toContain("<code>next_page</code> of the page before");
    expect(page).not.toMatch(/undefined|\[object O|`/);
  });
});

describeWith(["chromium"], "/docs in a browser", () => {
  let browser: Browser;

  beforeAll(async () => {
    const args = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
    browser = await chromium.launch({ executablePath: pathOf("chromium"), args });
  });

  afterAll(() => browser?.close());

  it("is shown as it is meant, and asks nobody else for anything", async () => {
    const page = await browser.newPage();
    const [asked, complaints]: [string[], string[]] = [[], []];
    page.on("request", (request) => asked.push(request.url()));
    page.on("console", (message) => complaints.push(message.text()));
    page.on("pageerror", (error) => complaints.push(error.message));

    await page.goto(`${berth.url}/docs`);
    expect(await page.title()).toBe("Berth: the API");
    expect(await page.locator("main section h3").count()).toBeGreaterThan(operations.length);
    const style = await page.locator("nav").evaluate((nav) => getComputedStyle(nav).position);
    expect(style, "its style is let through").toBe("sticky");

    await page.locator('nav a[href="#putRobotGrants"]').click();
    const section = page.locator("#putRobotGrants");
    expect(await section.textContent()).toContain("/api/v1/organization/{org}/robots/{robot}/grants");
    expect(await section.evaluate((at) => Math.round(at.getBoundingClientRect().top))).toBeLessThan(100);
    await section.getByRole("link", { name: "Grant" }).first().click();
    expect(new URL(page.url()).hash).toBe("#schema-Grant");

    expect(complaints).toEqual([]);
    expect(asked.filter((url) => new URL(url).origin !== berth.url)).toEqual([]);
  });
});
