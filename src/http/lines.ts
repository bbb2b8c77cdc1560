import type { Context } from "hono";
import { accepts } from "hono/accepts";

export const ndjson = "application/x-ndjson";
const json = "application/json";

/** Whether a request asks for JSON by the line rather than as one document, which is the default (RFC 9110 §12.5.1). */
export function wantsLines(c: Context): boolean {
  const match = (ranges: readonly Range[]) => {
    const [lines, document] = [weigh(ranges, ndjson), weigh(ranges, json)];
    if (lines.q !== document.q) return lines.q > document.q ? ndjson : json;
    return lines.q > 0 && lines.named > document.named ? ndjson : json;
  };
  return accepts(c, { header: "Accept", supports: [json, ndjson], default: json, match }) === ndjson;
}

interface Range {
  readonly type: string;
  readonly q: number;
}

/** How much a media type is wanted, by the range that names it closest. */
function weigh(ranges: readonly Range[], type: string): { readonly q: number; readonly named: number } {
  const names = ["*/*", type.replace(/\/.*/, "/*"), type];
  return ranges
    .map((range) => ({ q: range.q, named: names.indexOf(range.type.toLowerCase()) }))
    .filter(({ named }) => named >= 0)
    .reduce((closest, one) => (one.named > closest.named ? one : closest), { q: 0, named: -1 });
}

/**
 * Objects as JSON, a line each. A page is asked for when the client has taken the one before, and no more of
 * them once it has gone away. An error breaks the stream off, so that nobody takes a part for the whole.
 *
 * @throws what the first page meets, before anything is sent
 */
export async function streamLines(
  pages: AsyncGenerator<readonly unknown[], undefined>,
  onError: (error: unknown) => void,
): Promise<ReadableStream<Uint8Array>> {
  const encoder = new TextEncoder();
  let first: IteratorResult<readonly unknown[], undefined> | undefined = await pages.next();
  return new ReadableStream(
    {
      async pull(controller) {
        try {
          const { value } = first ?? (await pages.next());
          first = undefined;
          if (value) controller.enqueue(encoder.encode(value.map((one) => `${JSON.stringify(one)}\n`).join("")));
          else controller.close();
        } catch (error) {
          onError(error);
          // The platform may write down what it is given: the statement that failed is for the log alone.
          throw new Error("the answer broke off: the log says why");
        }
      },
      cancel: async () => {
        await pages.return(undefined);
      },
    },
    { highWaterMark: 0 },
  );
}
