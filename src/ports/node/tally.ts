/** Figures of one metric, as prom-client exchanges them between processes. */
export interface Snapshot {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram" | "summary";
  /** How those of several processes become one. */
  readonly aggregator: "sum" | "first" | "max" | "min" | "average" | "omit";
  readonly values: readonly Sample[];
}

/** All that a process has counted and measured. */
export type Figures = readonly Snapshot[];

export interface Sample {
  readonly value: number;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly metricName?: string;
}

export interface Described {
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly string[];
}

/** prom-client's own counters cost about a microsecond a time and its histograms two, which a request has several of. */
export interface Tally<T> {
  /** What is counted for these values of the labels. */
  of(...labels: readonly string[]): T;
  snapshot(): Snapshot;
}

export interface Count {
  value: number;
}

export function createCounter({ name, help, labels = [] }: Described): Tally<Count> {
  const root = new Series<Count>();
  return {
    of: (...values) => root.find(values, () => ({ value: 0 })),
    snapshot: () => ({
      name,
      help,
      type: "counter",
      aggregator: "sum",
      values: root.list().map(({ values, leaf }) => ({ value: leaf.value, labels: named(labels, values) })),
    }),
  };
}

export interface Distribution {
  observe(value: number): void;
}

/** @param buckets upper bounds, from the least */
export function createHistogram(
  { name, help, labels = [] }: Described,
  buckets: readonly number[],
): Tally<Distribution> {
  const root = new Series<Buckets>();
  return {
    of: (...values) => root.find(values, () => new Buckets(buckets)),
    snapshot: () => ({
      name,
      help,
      type: "histogram",
      aggregator: "sum",
      values: root.list().flatMap(({ values, leaf }) => leaf.samples(name, named(labels, values))),
    }),
  };
}

class Buckets implements Distribution {
  readonly #bounds: readonly number[];
  readonly #counts: number[];
  #sum = 0;

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = new Array(bounds.length + 1).fill(0);
  }

  observe(value: number): void {
    let at = 0;
    while (at < this.#bounds.length && value > (this.#bounds[at] as number)) at += 1;
    this.#counts[at] = (this.#counts[at] as number) + 1;
    this.#sum += value;
  }

  samples(name: string, labels: Sample["labels"]): Sample[] {
    let below = 0;
    const cumulated = this.#counts.map((count, at) => {
      below += count;
      const le = this.#bounds[at] ?? "+Inf";
      return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: below };
    });
    return [
      ...cumulated,
      { metricName: `${name}_sum`, labels, value: this.#sum },
      { metricName: `${name}_count`, labels, value: below },
    ];
  }
}

/** A tree by the values of the labels, so that finding a place makes no string. */
class Series<T> {
  leaf: T | undefined;
  readonly branches = new Map<string, Series<T>>();

  find(values: readonly string[], make: () => T): T {
    let node: Series<T> = this;
    for (const value of values) {
      let next = node.branches.get(value);
      if (!next) {
        next = new Series();
        node.branches.set(value, next);
      }
      node = next;
    }
    node.leaf ??= make();
    return node.leaf;
  }

  list(values: readonly string[] = []): { readonly values: readonly string[]; readonly leaf: T }[] {
    const own = this.leaf === undefined ? [] : [{ values, leaf: this.leaf }];
    return [...own, ...Array.from(this.branches).flatMap(([value, branch]) => branch.list([...values, value]))];
  }
}

function named(names: readonly string[], values: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name, at) => [name, values[at] ?? ""]));
}
