const YEAR_SECONDS = 365 * 24 * 3600;

/**
 * What every answer tells a browser, should one ever ask here: to take it for what it says it is, to run and to load
 * nothing, to show it in no frame, and to let no other origin's page have it. No answer has a header of CORS.
 *
 * @param publicUrl under https it stays so; other hosts of the domain are not this service's to speak for
 */
export function secureHeaders(publicUrl: string): readonly (readonly [name: string, value: string])[] {
  return [
    ["X-Content-Type-Options", "nosniff"],
    ["X-Frame-Options", "DENY"],
    ["Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"],
    ["Cross-Origin-Resource-Policy", "same-origin"],
    ["Referrer-Policy", "no-referrer"],
    ...(publicUrl.startsWith("https:") ? ([["Strict-Transport-Security", `max-age=${YEAR_SECONDS}`]] as const) : []),
  ];
}
