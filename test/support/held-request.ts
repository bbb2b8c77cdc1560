import { request } from "node:http";
import type { ApiAnswer } from "./berth.ts";

/** A request whose last byte is kept back. */
export interface HeldRequest {
  /** Sends that byte. */
  finish(): Promise<ApiAnswer>;
}

/** Sends all of a management request but the last byte of its body, which the service then waits for. */
export async function hold(url: string, method: string, token: string, body: string): Promise<HeldRequest> {
  const bytes = Buffer.from(body);
  const sent = request(url, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      "content-type": "application/json",
      "content-length": bytes.length,
    },
  });
  const answered = new Promise<ApiAnswer>((resolve, reject) => {
    sent.on("error", reject).on("response", async (response) => {
      const text = Buffer.concat(await response.toArray()).toString();
      const headers = new Headers(Object.entries(response.headers).map(([name, value]) => [name, String(value)]));
      const isJson = headers.get("content-type")?.includes("json") ?? false;
      resolve({ status: response.statusCode ?? 0, headers, body: isJson ? JSON.parse(text) : text });
    });
  });
  answered.catch(() => {});
  await new Promise((resolve) => sent.write(bytes.subarray(0, -1), resolve));
  return {
    finish() {
      sent.end(bytes.subarray(-1));
      return answered;
    },
  };
}
