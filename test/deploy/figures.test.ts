import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import * as described from "../../src/ports/node/metric-names.ts";
import { call, startBerth, type TestBerth } from "../support/berth.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";
import { readPromql } from "../support/promql.ts";
import { describeWith, pathOf } from "../support/requirements.ts";
import { run } from "../support/run.ts";

const root = new URL("../../", import.meta.url);
/** What Prometheus itself adds to whatever it reads. */
const OF_PROMETHEUS = ["job", "instance"];

interface Exported {
  readonly type: string;
  /** Of the samples that there are; before there is any, those that it is made with. */
  readonly labels: ReadonlySet<string>;
}

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly annotations: Readonly<Record<string, string>>;
}

interface Target {
  readonly expr: string;
  readonly legendFormat: string;
}

let database: TestPostgres;
let issuer: TestIssuer;
let berth: TestBerth;
let text: string;
let families: Map<string, Exported>;
let rules: readonly Rule[];
let targets: readonly Target[];
let page: string;

beforeAll(async () => {
  [database, issuer] = await Promise.all([startPostgres(), startIssuer()]);
  berth = await startBerth({
    environment: {
      DATABASE_URL: await database.createDatabase("berth"),
      BERTH_SECRET_KEY: randomBytes(32).toString("base64"),
      BERTH_METRICS_PUBLIC: "true",
      BERTH_RATE_LIMITS: "on",
      BERTH_RATE_LIMIT_EXCHANGES_PER_ROBOT: "1",
    },
  });
  await makeTraffic();
  text = (await call(`${berth.url}/metrics`)).body;
  families = readFamilies(text);
  rules = parse(await readFile(new URL("deploy/alerts.yaml", root), "utf8")).groups[0].rules;
  const dashboard = JSON.parse(await readFile(new URL("deploy/grafana-dashboard.json", root), "utf8"));
  targets = dashboard.panels.flatMap((panel: { targets?: Target[] }) => panel.targets ?? []);
  page = await readFile(new URL("docs/observability.md", root), "utf8");
});

afterAll(async () => {
  await Promise.all([berth.remove(), issuer.close()]);
  await database.remove();
});

/** Something of most figures that traffic makes. */
async function makeTraffic(): Promise<void> {
  await berth.createRobot("acme+ci", { federation: [{ issuer: issuer.url, subject }] });
  const token = await issuer.sign(berth.url);
  expect((await berth.exchange("acme+ci", token)).status).toBe(200);
  expect((await berth.exchange("acme+ci", token)).status).toBe(429);
  expect((await call(`${berth.url}/v2/auth?scope=repository:acme/app:pull`)).status).toBe(200);
}

/** By the names that samples have: a histogram has three. */
function readFamilies(exposition: string): Map<string, Exported> {
  const made = new Map(Object.values(described).flatMap((one) => ("name" in one ? [[one.name, one] as const] : [])));
  const found = new Map<string, Exported>();
  for (const [, name = "", type = ""] of exposition.matchAll(/^# TYPE (\S+) (\S+)$/gm)) {
    for (const suffix of type === "histogram" ? ["_bucket", "_sum", "_count"] : [""]) {
      const lines = exposition.matchAll(new RegExp(`^${name}${suffix}(?:\\{(.*)\\})? `, "gm"));
      const samples = [...lines].map(([, labels = ""]) =>
        [...labels.matchAll(/(\w+)="/g)].map(([, label = ""]) => label),
      );
      const labels = samples.length > 0 ? samples.flat() : (made.get(name)?.labels ?? []);
      found.set(name + suffix, { type, labels: new Set([...labels, ...(suffix === "_bucket" ? ["le"] : [])]) });
    }
  }
  return found;
}

/** Every name in an expression is one that the service exports. */
function check(expression: string): readonly string[] {
  const { selectors, grouping } = readPromql(expression);
  const known = new Set(OF_PROMETHEUS);
  for (const { metric, labels } of selectors) {
    const family = families.get(metric);
    expect(family, `${metric} in ${expression}`).toBeDefined();
    for (const label of family?.labels ?? []) known.add(label);
    for (const label of labels) expect([...OF_PROMETHEUS, ...(family?.labels ?? [])], expression).toContain(label);
  }
  for (const label of grouping) expect([...known], expression).toContain(label);
  return grouping;
}

it("the figures tell when the database was last heard, where it is PostgreSQL", () => {
  expect(text).toMatch(/^berth_notification_heartbeat_age_seconds [0-9.]+$/m);
});

describe("the dashboard", () => {
  it("asks for nothing that the service does not tell, and names what it groups by", () => {
    expect(targets.length).toBeGreaterThan(20);
    for (const { expr, legendFormat } of targets) {
      const grouping = check(expr);
      for (const [, label = ""] of legendFormat.matchAll(/\{\{(\w+)\}\}/g)) expect(grouping, expr).toContain(label);
    }
  });

  it("shows every figure of Berth's own", () => {
    const shown = new Set(targets.flatMap(({ expr }) => readPromql(expr).selectors.map(({ metric }) => metric)));
    const own = [...families.keys()].filter((name) => name.startsWith("berth_") && !/_(sum|bucket)$/.test(name));
    for (const name of own) expect([...shown].map((one) => one.replace(/_bucket$/, "_count"))).toContain(name);
  });
});

describe("the alerts", () => {
  it("ask for nothing that the service does not tell", () => {
    expect(rules.length).toBeGreaterThan(5);
    for (const { expr } of rules) check(expr);
  });

  it("each say on the page what to do", () => {
    const headings = [...page.matchAll(/^### (\S+)$/gm)].map(([, heading]) => heading);
    expect(headings).toEqual(rules.map(({ alert }) => alert));
    for (const { alert, annotations } of rules) {
      expect(annotations.runbook).toBe(`docs/observability.md#${alert.toLowerCase()}`);
    }
  });
});

describe("docs/observability.md", () => {
  it("lists every figure of Berth's own with its type and labels, and no other", () => {
    const listed = [...page.matchAll(/^\| `(berth_\w+)` \| (\w+) \| (.*?) ?\|/gm)].map(
      ([, name = "", type, labels = ""]) => ({
        name,
        type,
        labels: [...labels.matchAll(/`(\w+)`/g)].map(([, label]) => label).sort(),
      }),
    );
    const exported = [...families]
      .filter(([name]) => name.startsWith("berth_") && !/_(sum|bucket)$/.test(name))
      .map(([name, { type, labels }]) => ({
        name: type === "histogram" ? name.replace(/_count$/, "") : name,
        type,
        labels: [...labels].sort(),
      }));
    const byName = (one: { name: string }, other: { name: string }) => one.name.localeCompare(other.name);
    expect(listed.sort(byName)).toEqual(exported.sort(byName));
  });
});

describeWith(["promtool"], "Prometheus's own tool", () => {
  it("finds nothing wrong with the figures", async () => {
    expect(await run(pathOf("promtool"), ["check", "metrics"], { input: text })).toEqual({ stdout: "", stderr: "" });
  });

  it("takes the rules, which fire when they should and stay quiet when not", async () => {
    const promtool = (...args: string[]) => run(pathOf("promtool"), args, { directory: fileURLToPath(root) });
    expect((await promtool("check", "rules", "deploy/alerts.yaml")).stdout).toContain(`${rules.length} rules found`);
    expect((await promtool("test", "rules", "test/deploy/alerts.yaml")).stdout).toContain("SUCCESS");
  });
});
