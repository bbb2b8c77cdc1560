const PLACEHOLDER = /\{\w+\}/;

/**
 * Whether an issuer has a form such as `https://oidc.eks.{region}.amazonaws.com/id/{id}`. The parts of the
 * URL are compared one by one and whole, and the issuer is taken as it is written: a placeholder stands for
 * one label of the host or one segment of the path (`https://{host}/…`: for the whole host, with its port).
 */
export function matchesForm(issuer: string, form: string): boolean {
  const scheme = "https://";
  if (!issuer.startsWith(scheme) || !URL.canParse(issuer)) return false;
  const { origin, host } = new URL(issuer);
  // What a URL parser would change (case, default port, user) is not the issuer that the form speaks of.
  if (!issuer.startsWith(`${origin}/`) && issuer !== origin) return false;
  const [formHost = "", ...formPath] = form.slice(scheme.length).split("/");
  const path = issuer.slice(origin.length).split("/").slice(1);
  return (
    (formHost === "{host}" || matchesParts(host.split("."), formHost.split("."), /^[a-z0-9-]+$/)) &&
    matchesParts(path, formPath, /^[A-Za-z0-9_~-][A-Za-z0-9._~-]*$/)
  );
}

function matchesParts(parts: readonly string[], form: readonly string[], placed: RegExp): boolean {
  return (
    parts.length === form.length &&
    form.every((expected, index) => {
      const part = parts[index] ?? "";
      return PLACEHOLDER.test(expected) ? placed.test(part) : part === expected;
    })
  );
}

/** What may stand in a tenant's place: no delimiter, so that a form ends where its tenant's name does. */
const TENANTS: Readonly<Record<string, string>> = {
  "{name}": "[A-Za-z0-9_][A-Za-z0-9_.-]*",
  "{id}": "[0-9]+",
  "{uuid}": "\\{?[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\\}?",
};

/** Whether a text begins as a form such as `repo:{name}/` does: with somebody in the tenant's place. */
export function namesTenant(text: string, form: string): boolean {
  const pattern = form.replaceAll(/\{\w+\}/g, (placeholder) => TENANTS[placeholder] ?? "(?!)");
  return new RegExp(`^${pattern}`).test(text);
}
