import autocannon, { type Options } from "autocannon";

/** How calls are sent. */
export interface Pace {
  readonly seconds: number;
  /** Each sends its next request when the one before is answered. */
  readonly connections: number;
}

export interface Call {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface Answer<C extends Call> {
  readonly call: C;
  readonly body: string;
}

export interface Load<C extends Call> {
  readonly requestsPerSecond: number;
  /** Milliseconds within which half of the answers came. */
  readonly p50: number;
  /** Milliseconds within which 99 of 100 answers came. */
  readonly p99: number;
  readonly answers: readonly Answer<C>[];
}

/**
 * Sends each call once, for so many seconds or until none is left.
 *
 * @throws when a call is not answered, or with anything but 200
 */
export async function load<C extends Call>(
  origin: string,
  calls: readonly C[],
  { seconds, connections }: Pace,
): Promise<Load<C>> {
  const answers: Answer<C>[] = [];
  const milliseconds: number[] = [];
  const failures: string[] = [];
  const unsent = calls.values();
  const startedAt = performance.now();
  let answeredAt = startedAt;

  const options: Options = {
    url: origin,
    connections,
    duration: seconds,
    maxOverallRequests: calls.length,
    /** Milliseconds between looks at whether the run is over. */
    sampleInt: 50,
    requests: [
      {
        setupRequest(request, context) {
          const call = unsent.next().value as C;
          Object.assign(context, { call });
          return { ...request, path: call.path, headers: call.headers };
        },
        onResponse(status, body, context) {
          answeredAt = performance.now();
          if (status === 200) answers.push({ call: (context as { call: C }).call, body });
          else failures.push(`${status} ${body}`);
        },
      },
    ],
  };
  await new Promise<void>((resolve, reject) => {
    const run = autocannon(options, (error) => (error ? reject(error) : resolve()));
    run.on("response", (_client, _status, _bytes, took) => milliseconds.push(took));
    run.on("reqError", (error) => failures.push(String(error)));
  });

  if (failures.length > 0) throw new Error(`${failures.length} calls of ${origin} failed, such as: ${failures[0]}`);
  if (answers.length === 0) throw new Error(`${origin} answered nothing in ${seconds} s`);
  milliseconds.sort((a, b) => a - b);
  return {
    requestsPerSecond: (answers.length / (answeredAt - startedAt)) * 1000,
    p50: percentile(milliseconds, 50),
    p99: percentile(milliseconds, 99),
    answers,
  };
}

function percentile(sorted: readonly number[], percent: number): number {
  return sorted[Math.ceil((sorted.length * percent) / 100) - 1] ?? Number.NaN;
}
