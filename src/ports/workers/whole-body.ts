import { limits } from "../../limits.ts";

/**
 * A request whose body can be read on once it was answered. The platform cuts a connection with more than 64 KiB
 * of a body unread, and the answer with it; what came after the answer it lets nobody read.
 */
export function followBody(request: Request): { followed: Request; readOn(): Promise<void> } {
  if (!request.body) return { followed: request, readOn: async () => {} };
  const reader = request.body.getReader();
  const body = new ReadableStream(
    {
      async pull(controller) {
        const { done, value } = await reader.read();
        if (done) controller.close();
        else controller.enqueue(value);
      },
    },
    { highWaterMark: 0 },
  );
  const init = { body, duplex: "half" } as RequestInit;
  return { followed: new Request(request, init), readOn: () => readToEnd(reader) };
}

/** To its end, or as far as a connection lingers. Who breaks off wants no answer. */
async function readToEnd(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
  const cutting = setTimeout(() => reader.cancel().catch(() => {}), limits.http.lingerMilliseconds);
  try {
    let bytes = 0;
    while (bytes <= limits.http.lingerBytes) {
      const { done, value } = await reader.read();
      if (done) return;
      bytes += value.length;
    }
  } catch {
  } finally {
    clearTimeout(cutting);
  }
}
