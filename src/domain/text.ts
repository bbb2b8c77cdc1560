// biome-ignore lint/suspicious/noControlCharactersInRegex: finding control characters is the purpose
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;

/** Whether `text` is printable: no control characters and no half of a surrogate pair. */
export function isPlainText(text: string): boolean {
  return !CONTROL.test(text) && text.isWellFormed();
}

/** Whether `text` is the one base64url encoding of its bytes (RFC 4648 §3.5): no padding, no stray bits at the end. */
export function isCanonicalBase64url(text: string): boolean {
  if (!/^[A-Za-z0-9_-]+$/.test(text)) return false;
  const last = text.at(-1) ?? "";
  switch (text.length % 4) {
    case 2:
      return "AQgw".includes(last);
    case 3:
      return "AEIMQUYcgkosw048".includes(last);
    default:
      return text.length % 4 === 0;
  }
}

/** RFC 3339, where the number is a date at all: a claim may hold any. */
export function formatTime(epochSeconds: number): string {
  const date = new Date(epochSeconds * 1000);
  return Number.isNaN(date.getTime()) ? String(epochSeconds) : date.toISOString();
}

/** `text` made fit for a log or an error: at most `length` characters, control characters replaced. */
export function printable(text: string, length = 200): string {
  const cut = text.length > length ? `${text.slice(0, length)}…` : text;
  return cut.toWellFormed().replace(new RegExp(CONTROL, "g"), "\ufffd");
}
