const BATCH_MILLISECONDS = 10;
/** `PIPE_BUF` of Linux: processes that share a pipe do not write into each other's lines up to here. */
const BATCH_BYTES = 4096;

export interface LineSink {
  write(text: string): unknown;
}

/**
 * Writes lines in batches: each write of one is a call of the kernel, in the thread that serves. What is left
 * is written as the process ends, unless it is killed.
 *
 * @returns takes a line without its end
 */
export function createLineWriter(sink: LineSink): (line: string) => void {
  let batch = "";
  let bytes = 0;
  const flush = () => {
    const text = batch;
    batch = "";
    bytes = 0;
    if (text !== "") sink.write(text);
  };
  process.once("exit", flush);
  return (line) => {
    const added = Buffer.byteLength(line) + 1;
    if (bytes + added > BATCH_BYTES) flush();
    if (batch === "") setTimeout(flush, BATCH_MILLISECONDS).unref();
    batch += `${line}\n`;
    bytes += added;
  };
}
