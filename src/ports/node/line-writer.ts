const BATCH_MILLISECONDS = 10;

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
  const flush = () => {
    const text = batch;
    batch = "";
    if (text !== "") sink.write(text);
  };
  process.once("exit", flush);
  return (line) => {
    if (batch === "") setTimeout(flush, BATCH_MILLISECONDS).unref();
    batch += `${line}\n`;
  };
}
