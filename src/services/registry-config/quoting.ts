/** A string of YAML, double-quoted: JSON's, without what YAML 1.1 would take for the end of a line. */
export function quote(text: string): string {
  return JSON.stringify(text).replace(
    /[^ -~]/gu,
    (character) => `\\U${(character.codePointAt(0) ?? 0).toString(16).padStart(8, "0")}`,
  );
}

/** A string of YAML, single-quoted, of text on one line. */
export function quoteSingly(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** One word of a POSIX shell. */
export function quoteForShell(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** For Compose and Kubernetes, which both would put a variable's value in after a `$`. */
export function escapeDollars(text: string): string {
  return text.replaceAll("$", () => "$$");
}

/** The certificates of a PEM text, and nothing else of it, as lines of a YAML block scalar. */
export function indentCertificates(pem: string, spaces: number): string {
  const certificates = pem.match(/-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g) ?? [];
  return certificates
    .flatMap((certificate) => certificate.split(/\s*\n/))
    .map((line) => `${" ".repeat(spaces)}${line}`)
    .join("\n");
}
