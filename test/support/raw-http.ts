import { connect, type Socket } from "node:net";

/** What came back over one connection, byte for byte. */
export interface RawAnswers {
  readonly text: string;
  /** The status of each answer, in order; one follows the body before without a break. */
  readonly statuses: readonly number[];
  /** Whether the server ended the connection. */
  readonly closed: boolean;
}

/** After an answer, when nothing more is expected of a connection that stays open. */
const QUIET_MILLISECONDS = 300;
export const LONGEST_MILLISECONDS = 5000;

/**
 * Sends bytes, each character one, and listens until the server ends the connection or is quiet.
 *
 * @param quiet milliseconds; the longest there is where it has to end the connection
 */
export function sendRaw(port: number, bytes: string, quiet?: number): Promise<RawAnswers> {
  return sendOver(connect(port, "127.0.0.1"), bytes, quiet);
}

/** The same over a connection that was just begun. */
export function sendOver(socket: Socket, bytes: string, quiet = QUIET_MILLISECONDS): Promise<RawAnswers> {
  return new Promise((resolve) => {
    let text = "";
    let closed = false;
    socket.write(Buffer.from(bytes, "latin1"));
    let giveUp = setTimeout(() => socket.destroy(), LONGEST_MILLISECONDS);
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      clearTimeout(giveUp);
      giveUp = setTimeout(() => socket.destroy(), quiet);
    });
    socket.on("end", () => {
      closed = true;
    });
    // A server that stops reading resets the connection.
    socket.on("error", () => {
      closed = true;
    });
    socket.on("close", () => {
      clearTimeout(giveUp);
      const statuses = Array.from(text.matchAll(/HTTP\/1\.1 (\d{3}) /g), ([, status]) => Number(status));
      resolve({ text, statuses, closed });
    });
  });
}
