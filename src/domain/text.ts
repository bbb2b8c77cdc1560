// biome-ignore lint/suspicious/noControlCharactersInRegex: finding control characters is the purpose
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;

/** Whether `text` is printable: no control characters and no half of a surrogate pair. */
export function isPlainText(text: string): boolean {
  return !CONTROL.test(text) && text.isWellFormed();
}

/** Whether `text` stays on one line and reads in the order in which it is written. */
export function isLine(text: string): boolean {
  return isPlainText(text) && !/[\p{Zl}\p{Zp}\p{Bidi_Control}]/u.test(text);
}

/** Whether `text` is printable but for tabs and ends of lines. */
export function isProse(text: string): boolean {
  return isPlainText(text.replace(/[\t\r\n]/g, ""));
}

/** Whether `text` can be kept: the database takes no NUL, and UTF-8 has no half of a surrogate pair. */
export function isStorable(text: string): boolean {
  return !text.includes("\0") && text.isWellFormed();
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
