import type { PGlite } from "@electric-sql/pglite";
import type postgres from "postgres";
import type { Secret } from "../../domain/secret.ts";
import type { Log } from "../../platform.ts";
import { type ChangeListener, type Changes, changesChannel, readChange } from "../../store/changes.ts";
import { importPostgres } from "./postgres-driver.ts";

export interface OpenChanges extends Changes {
  close(): Promise<void>;
}

/** Beats in the time that an unanswered one is waited for. */
const BEATS = 4;
const MAX_BEAT_MILLISECONDS = 1000;
/** A channel that is silent for so long is opened anew: nobody may be at the other end of its socket. */
const SILENCE_MILLISECONDS = 3000;
const CONNECT_SECONDS = 3;
const CATCH_UP_MILLISECONDS = 2000;

/**
 * Listens to PostgreSQL, and asks itself all the time by way of it whether it still hears. The connection that
 * listens, one of two, delivers in the order of commits: whoever hears a beat has heard of everything before it.
 *
 * @param maxStaleness seconds; 0: nothing ever counts as heard
 */
export async function listenToPostgres(
  url: Secret,
  maxStaleness: number,
  listener: ChangeListener,
  log: Log,
): Promise<OpenChanges> {
  const connect = await importPostgres();
  const period = Math.min((maxStaleness * 1000) / BEATS, MAX_BEAT_MILLISECONDS);
  const beatChannel = `berth_beat_${crypto.randomUUID()}`;
  const sent = new Map<number, number>();
  const waiting = new Map<number, () => void>();
  let count = 0;
  let upTo = Number.NEGATIVE_INFINITY;
  let openedAt = performance.now();
  let channel = open();
  let isLost = false;
  let catchingUp: Promise<void> | undefined;
  const beating = setInterval(keepBeating, period).unref();
  beat();

  return {
    areHeard: () => age() <= maxStaleness * 1000,
    age,
    catchUp,
    async close() {
      clearInterval(beating);
      await end(channel);
    },
  };

  function age(): number {
    return performance.now() - upTo;
  }

  function open(): postgres.Sql {
    openedAt = performance.now();
    const opened = connect(unnamed(url), {
      max: 1,
      connect_timeout: CONNECT_SECONDS,
      onnotice: () => {},
      fetch_types: false,
      connection: { application_name: "berth changes" },
    });
    const isCurrent = () => opened === channel;
    const listen = async () => {
      await opened.listen(
        changesChannel,
        (payload) => {
          const change = readChange(payload);
          if (change && isCurrent()) listener.heard(change);
        },
        // What was told before it listened, or while its connection was lost, it has not heard.
        () => {
          upTo = Number.NEGATIVE_INFINITY;
          listener.missed();
        },
      );
      await opened.listen(
        beatChannel,
        (payload) => {
          if (isCurrent()) hear(Number(payload));
        },
        // A beat that was sent before is lost.
        () => {
          if (isCurrent()) beat();
        },
      );
    };
    listen().catch((error) => log.debug("the channel of changes cannot be opened", { error }));
    return opened;
  }

  function hear(beat: number): void {
    // Nobody knows what was told while nothing was heard.
    if (age() > maxStaleness * 1000) listener.missed();
    upTo = Math.max(upTo, sent.get(beat) ?? upTo);
    for (const earlier of sent.keys()) if (earlier <= beat) sent.delete(earlier);
    for (const [one, resume] of waiting) if (one <= beat) resume();
    if (isLost) log.info("changes in the database are heard of again");
    isLost = false;
  }

  function keepBeating(): void {
    const silentFor = performance.now() - Math.max(upTo, openedAt);
    if (silentFor > SILENCE_MILLISECONDS) {
      if (!isLost) log.warn("changes in the database are not heard of: every request asks the database until they are");
      isLost = true;
      const silent = channel;
      sent.clear();
      channel = open();
      void end(silent);
    }
    beat();
  }

  function beat(): number {
    count += 1;
    sent.set(count, performance.now());
    channel.notify(beatChannel, String(count)).catch((error) => log.debug("a beat was lost", { error }));
    return count;
  }

  /** All who ask in one turn wait for one beat. */
  function catchUp(): Promise<void> {
    catchingUp ??= Promise.resolve().then(() => {
      catchingUp = undefined;
      return hearNextBeat();
    });
    return catchingUp;
  }

  async function hearNextBeat(): Promise<void> {
    const mine = beat();
    const { promise, resolve } = Promise.withResolvers<void>();
    const givingUp = setTimeout(() => {
      upTo = Number.NEGATIVE_INFINITY;
      resolve();
    }, CATCH_UP_MILLISECONDS).unref();
    waiting.set(mine, resolve);
    await promise;
    clearTimeout(givingUp);
    waiting.delete(mine);
  }
}

/** A name in the URL would win, and a restore finds those who listen by theirs. */
function unnamed(url: Secret): string {
  const named = new URL(url.reveal());
  named.searchParams.delete("application_name");
  return named.href;
}

/** At once, since nobody may answer. */
async function end(channel: postgres.Sql): Promise<void> {
  await channel.end({ timeout: 0 }).catch(() => {});
}

/** The embedded database is changed by this process alone, which hears of each change as it is committed. */
export async function listenToEmbedded(client: PGlite, listener: ChangeListener): Promise<OpenChanges> {
  await client.listen(changesChannel, (payload) => {
    const change = readChange(payload);
    if (change) listener.heard(change);
  });
  return { areHeard: () => true, catchUp: async () => {}, age: () => 0, close: async () => {} };
}
