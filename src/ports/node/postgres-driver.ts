import module from "node:module";
import type { Options, PostgresType } from "postgres";

/** What a pool is made with, and what the mended driver knows besides. */
export interface PoolOptions extends Options<Record<string, PostgresType>> {
  /** Seconds without a word from a server that owes one, after which the connection counts as lost. */
  readonly answer_timeout?: number;
}

interface Mend {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

/**
 * What version 3.4.9 of the driver, the newest there is, does wrong when a connection is lost (its issues 1154 and 1208):
 * each of these is enough to keep a service down after its database came back. The last ones are for speed.
 */
const mends: readonly Mend[] = [
  // A transaction went on with its connection when that was lost: writing to nothing, which ended the process, or
  // into another's transaction, when the connection had been opened anew.
  {
    file: "index.js",
    from: "new Promise((_, reject) => connection.onclose = reject)",
    to: "new Promise((_, reject) => connection.onclose = error => (lost = error, reject(error)))",
  },
  {
    file: "index.js",
    from: "      , prepare = null\n",
    to: "      , prepare = null\n      , lost\n",
  },
  {
    file: "index.js",
    from: "        q.catch(e => uncaughtError || (uncaughtError = e))\n",
    to: "        q.catch(e => uncaughtError || (uncaughtError = e))\n        if (lost) return q.reject(lost)\n",
  },
  // An answer to a challenge that was ready after the connection was lost ended the process, too.
  {
    file: "connection.js",
    from: "    const x = socket.write(chunk, fn)\n",
    to: "    const x = socket && socket.write(chunk, fn)\n    query && !awaiting && (awaiting = true, answerTimer.start())\n",
  },
  // What was about to be written kept the connection from ever being opened again, and its last error was told to
  // the first who used it then.
  {
    file: "connection.js",
    from: "    clearImmediate(nextWriteTimer)\n    socket.removeListener",
    to: "    clearImmediate(nextWriteTimer)\n    nextWriteTimer = chunk = errorResponse = null\n    answered()\n    socket.removeListener",
  },
  // Who asked between the error of a connection and its close was never answered.
  {
    file: "connection.js",
    from: "    !hadError && (query || sent.length) && error(",
    to: "    ;(query || sent.length) && error(",
  },
  {
    file: "connection.js",
    from: "    closedTime = performance.now()\n",
    to: "    query = null\n    closedTime = performance.now()\n",
  },
  // A server that stands still, or a network that swallows all, was waited for without end.
  {
    file: "index.js",
    from: "    publications    : 'alltables',\n",
    to: "    publications    : 'alltables',\n    answer_timeout  : null,\n",
  },
  {
    file: "connection.js",
    from: "  let socket = null\n",
    to: `  const answerTimer = timer(unanswered, options.answer_timeout)
  let awaiting = false

  function answered() {
    awaiting = false
    answerTimer.cancel()
  }

  function unanswered() {
    socket.destroy(Errors.connection('CONNECTION_TIMEOUT', options, socket))
  }

  let socket = null
`,
  },
  {
    file: "connection.js",
    from: "  function data(x) {\n",
    to: "  function data(x) {\n    awaiting && answerTimer.start()\n",
  },
  {
    file: "connection.js",
    from: "      remaining = 0\n      incomings = null\n    }\n  }\n",
    to: "      remaining = 0\n      incomings = null\n    }\n    query || sent.length || answered()\n  }\n",
  },
  // Connections took turns. The one used last is of the process that has the most at hand: its processor caches take a
  // tenth off a statement under load.
  {
    file: "index.js",
    from: "      return go(open.shift(), query)\n",
    to: "      return go(open.pop(), query)\n",
  },
  {
    file: "queue.js",
    from: "    push: (x) => (xs.push(x), x),\n",
    to: `    push: (x) => (xs.push(x), x),
    pop: () => {
      const out = xs.pop()

      if (index === xs.length) {
        index = 0
        xs = []
      }

      return out
    },
`,
  },
];

let driver: Promise<typeof import("postgres")> | undefined;

/** Whether Node.js lets the driver be mended: from 22.15 on. */
export const mayMend = module.registerHooks !== undefined;

/** The driver, mended while it is loaded, where that may be done. */
export function importPostgres(): Promise<typeof import("postgres")> {
  driver ??= importMended();
  return driver;
}

async function importMended(): Promise<typeof import("postgres")> {
  const hooks = module.registerHooks?.({
    load(url, context, next) {
      const loaded = next(url, context);
      const file = url.match(/\/postgres\/src\/([a-z]+\.js)$/)?.[1];
      const own = mends.filter((one) => one.file === file);
      if (own.length === 0) return loaded;
      return { ...loaded, source: own.reduce(mend, String(loaded.source)) };
    },
  });
  try {
    const { default: postgres } = await import("postgres");
    return postgres;
  } finally {
    hooks?.deregister();
  }
}

function mend(source: string, { file, from, to }: Mend): string {
  if (source.split(from).length !== 2) {
    throw new Error(`postgres/src/${file} is not the one that was mended: look at what its new version mends itself`);
  }
  return source.replace(from, () => to);
}
