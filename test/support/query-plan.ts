import type { Sql } from "postgres";
import type { Statement } from "./watched-service.ts";

/** A step of how PostgreSQL carried out a statement; rows are those of all times that it was done. */
export interface PlanNode {
  readonly type: string;
  readonly relation: string | undefined;
  readonly index: string | undefined;
  readonly rows: number;
  /** Read, and then left out. */
  readonly removed: number;
  readonly children: readonly PlanNode[];
}

export interface Plan {
  readonly root: PlanNode;
  readonly nodes: readonly PlanNode[];
  readonly text: string;
}

/** Carries out a statement again, and tells how. */
export async function explain(sql: Sql, { query, params }: Statement): Promise<Plan> {
  const [row] = await sql.unsafe(`explain (analyze, timing off, format json) ${query}`, [...params] as never[]);
  const root = toNode(row?.["QUERY PLAN"][0].Plan);
  return { root, nodes: [...flatten(root)], text: draw(root, "") };
}

interface RawNode {
  readonly "Node Type": string;
  readonly "Relation Name"?: string;
  readonly "Index Name"?: string;
  readonly "Actual Rows": number;
  readonly "Actual Loops": number;
  readonly "Rows Removed by Filter"?: number;
  readonly "Rows Removed by Index Recheck"?: number;
  readonly Plans?: readonly RawNode[];
}

function toNode(raw: RawNode): PlanNode {
  const loops = raw["Actual Loops"];
  const removed = (raw["Rows Removed by Filter"] ?? 0) + (raw["Rows Removed by Index Recheck"] ?? 0);
  return {
    type: raw["Node Type"],
    relation: raw["Relation Name"],
    index: raw["Index Name"],
    rows: raw["Actual Rows"] * loops,
    removed: removed * loops,
    children: (raw.Plans ?? []).map(toNode),
  };
}

function* flatten(node: PlanNode): Generator<PlanNode> {
  yield node;
  for (const child of node.children) yield* flatten(child);
}

function draw({ type, relation = "", index = "", rows, removed, children }: PlanNode, indent: string): string {
  const line = `${indent}${type} ${relation} ${index}: ${rows} rows, ${removed} left out\n`;
  return line + children.map((child) => draw(child, `${indent}  `)).join("");
}
