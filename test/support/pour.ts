import type { Socket } from "node:net";

/** Writes a piece again and again, for as long as the other side takes it. */
export function pour(socket: Socket, piece: string | Uint8Array): void {
  const write = () => {
    while (!socket.destroyed && socket.write(piece));
  };
  socket.on("error", () => {}).on("drain", write);
  write();
}
