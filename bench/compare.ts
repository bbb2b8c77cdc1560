import { type Answer, type Call, type Load, load, type Pace } from "./load.ts";

const ROUNDS = 3;
/** As long as so many rounds: a service runs for days, and is compiled by what it does. */
const WARM_UP_ROUNDS = 3;
/** Calls of the baseline that are made ready for a second of the warm-up. */
const WARM_UP_RATE = 10_000;
/** How much faster a round may be than the one before it without running out of calls. */
const HEADROOM = 1.5;

interface Side {
  readonly title: string;
  readonly origin: string;
}

/** One thing that Berth does, beside the least that any server would have to do for it. */
export interface Contest<C extends Call = Call> {
  readonly baseline: Side & { readonly path: string };
  readonly subject: Side;
  /** So many calls of the subject, each one new. The baseline gets them over and over, at its own path. */
  prepare(count: number): Promise<readonly C[]>;
  readonly warmUp: {
    /** Calls that are made ready for a second. */
    readonly rate: number;
    /** In the place of the usual one, where each new call takes long to make: they may come again. */
    readonly prepare?: (count: number) => Promise<readonly C[]>;
  };
  /** @throws when the subject's answer is not what the call deserves */
  check(answer: Answer<C>): void;
}

type Figures = Omit<Load<Call>, "answers">;

interface Round {
  readonly baseline: Figures;
  readonly subject: Figures;
}

/** Calls in a second. */
interface Rates {
  readonly baseline: number;
  readonly subject: number;
}

export interface Comparison {
  readonly titles: { readonly baseline: string; readonly subject: string };
  /** Medians over the rounds. */
  readonly baseline: Figures;
  readonly subject: Figures;
  /** The subject's throughput as a part of the baseline's, round by round, sorted. */
  readonly ratios: readonly number[];
  /** How many answers of the subject were checked. */
  readonly checked: number;
}

/** Runs baseline and subject by turns, so that whatever else the machine does meets both. */
export async function compare<C extends Call>(
  contest: Contest<C>,
  pace: Pace,
  tell: (line: string) => void,
): Promise<Comparison> {
  const { baseline, subject } = contest;
  let checked = 0;

  async function round(name: string, rates: Rates, lasting = pace.seconds, prepare = contest.prepare): Promise<Round> {
    const calls = await prepare(Math.ceil(rates.subject * lasting));
    const own = calls.map(({ headers }) => ({ headers, path: baseline.path }));
    const least = await load(baseline.origin, takeTurns(own, Math.ceil(rates.baseline * lasting)), {
      ...pace,
      seconds: lasting,
    });
    tell(`${name}: ${baseline.title}, ${Math.round(least.requestsPerSecond)} requests/s`);
    const full = await load(subject.origin, calls, { ...pace, seconds: lasting });
    tell(`${name}: ${subject.title}, ${Math.round(full.requestsPerSecond)} requests/s`);
    for (const answer of full.answers) contest.check(answer);
    checked += full.answers.length;
    return { baseline: figures(least), subject: figures(full) };
  }

  const { rate, prepare } = contest.warmUp;
  let last = await round("warm-up", { baseline: WARM_UP_RATE, subject: rate }, pace.seconds * WARM_UP_ROUNDS, prepare);
  const rounds: Round[] = [];
  for (let i = 1; i <= ROUNDS; i++) {
    last = await round(`round ${i} of ${ROUNDS}`, {
      baseline: last.baseline.requestsPerSecond * HEADROOM,
      subject: last.subject.requestsPerSecond * HEADROOM,
    });
    rounds.push(last);
  }
  return {
    titles: { baseline: baseline.title, subject: subject.title },
    baseline: medians(rounds.map((one) => one.baseline)),
    subject: medians(rounds.map((one) => one.subject)),
    ratios: rounds.map((one) => one.subject.requestsPerSecond / one.baseline.requestsPerSecond).sort((a, b) => a - b),
    checked,
  };
}

function figures({ requestsPerSecond, p50, p99 }: Figures): Figures {
  return { requestsPerSecond, p50, p99 };
}

function medians(runs: readonly Figures[]): Figures {
  return {
    requestsPerSecond: median(runs.map(({ requestsPerSecond }) => requestsPerSecond)),
    p50: median(runs.map(({ p50 }) => p50)),
    p99: median(runs.map(({ p99 }) => p99)),
  };
}

/** Of an odd number of values. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** So many, each by turns. */
export function takeTurns<T>(all: readonly T[], count: number): T[] {
  return Array.from({ length: count }, (_, i) => all[i % all.length] as T);
}
