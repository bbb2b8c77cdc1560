/** What a request's `Authorization` header holds. */
export type BasicCredential =
  | { readonly kind: "missing" }
  | { readonly kind: "unreadable"; readonly detail: string }
  | { readonly kind: "basic"; readonly username: string; readonly password: string };

/** Reads Basic authentication (RFC 7617). */
export function readBasic(authorization: string | undefined): BasicCredential {
  if (!authorization) return { kind: "missing" };
  const encoded = /^basic +([A-Za-z0-9+/]+={0,2}) *$/i.exec(authorization)?.[1];
  if (!encoded) return { kind: "unreadable", detail: "the Authorization header is not Basic with base64" };
  const decoded = decode(encoded);
  const colon = decoded?.indexOf(":") ?? -1;
  if (decoded === undefined || colon === -1) {
    return { kind: "unreadable", detail: "the Authorization header does not hold name:token in UTF-8" };
  }
  return { kind: "basic", username: decoded.slice(0, colon), password: decoded.slice(colon + 1) };
}

const isAscii = /^[\x20-\x7e]*$/;

function decode(base64: string): string | undefined {
  try {
    const text = atob(base64);
    if (isAscii.test(text)) return text;
    const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
