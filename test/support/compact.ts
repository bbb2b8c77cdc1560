const encoder = new TextEncoder();

/** Unpadded base64url of a text or of bytes. */
export function base64url(content: string | Uint8Array): string {
  return Buffer.from(typeof content === "string" ? encoder.encode(content) : content).toString("base64url");
}

/** A compact serialization of any three parts; what is no text is written as JSON. */
export function compact(header: unknown, payload: unknown, signature = "c2lnbmF0dXJl"): string {
  const part = (content: unknown) => (typeof content === "string" ? content : JSON.stringify(content));
  return `${base64url(part(header))}.${base64url(part(payload))}.${signature}`;
}

export const goodHeader = { alg: "RS256", typ: "JWT", kid: "key-1" };
export const goodPayload = {
  iss: "https://ci.example",
  sub: "repo:acme/app",
  aud: "https://berth.example",
  iat: 1_800_000_000,
  exp: 1_800_000_300,
};
