import fc from "fast-check";
import { isLine, isProse } from "../../src/domain/text.ts";

/**
 * Documents of the desired state of an organization `acme` that say everything, as the service shows them: with
 * nothing in them that it would leave out or write in another way.
 */

/** Principals that have to be there. */
export const statePrincipals = ["anna", "bert", "constructor"];
/** The `service` of a registry that has to be there, beside the default one. */
export const stateRegistry = "second.example";
/** Nothing listens there, which is no reason to refuse it. */
const issuers = ["http://127.0.0.1:9/one", "http://127.0.0.1:9/two"];

const robotNames = ["ci", "gitops", "constructor", "to.string", "r2", "value-of", "has_own"];
const role = fc.constantFrom("admin", "member", "reader");
const repositoryRole = fc.constantFrom("read", "write", "admin");
const text = (minLength: number) => fc.string({ unit: "grapheme", minLength, maxLength: 20 });
const prose = text(0)
  .map((one) => one.replace(/\\/g, "\n"))
  .filter(isProse);
const line = text(1).filter(isLine);
const number = fc.oneof(fc.maxSafeInteger(), fc.double({ min: -1e9, max: 1e9, noNaN: true })).map((value) => value + 0);
const claimName = fc.constantFrom("ref", "environment", "constructor", "https://example.com/x", "10", "9");
const scalar = fc.oneof(line, number, fc.boolean());
const lines = fc.uniqueArray(line, { minLength: 1, maxLength: 3 });

const claims = fc.dictionary(
  claimName,
  fc.oneof(
    fc.record({ equals: scalar }),
    fc.record({ in: fc.array(scalar, { minLength: 1, maxLength: 3 }) }),
    fc.record({ prefix: line.map((start) => `${start}/`) }),
    fc.record({ contains: scalar }),
  ),
  { minKeys: 1, maxKeys: 3 },
);

const subject = fc.oneof(
  fc.constantFrom("job", "repo:acme/app:ref:refs/heads/main", "repo:acme/infra:environment:prod", "repo:acme/app:*"),
  line.map((rest) => `repo:acme/${rest.replaceAll("*", "")}`),
);

const entry = fc.record(
  {
    issuer: fc.constantFrom(...issuers),
    subject,
    audiences: lines,
    clients: lines,
    claims,
    token_ttl: fc.integer({ min: 60, max: 3600 }),
    scope: fc.constantFrom(
      "repository:acme/app:pull",
      "repository:acme/{environment}:pull,push repository:acme/x:pull",
    ),
    mode: fc.constant("audit"),
    api: fc.constant(true),
    expires_at: fc.integer({ min: 1, max: 253_000_000_000 / 1000 }).map((s) => new Date(s * 1000).toISOString()),
    description: prose,
  },
  { requiredKeys: ["issuer", "subject"] },
);

const actions = fc.constantFrom(["pull"], ["push"], ["pull", "push"], ["pull", "delete"], ["pull", "push", "delete"]);
const repository = fc.constantFrom("acme/app", "acme/app/*", "acme/a/b", "beta/app", "beta/*", "*", "legacy/x", "acme");
const elsewhere = fc.constantFrom({}, { registry: stateRegistry });
const grant = fc.oneof(
  fc.record({ at: elsewhere, repository, actions }).map(({ at, ...rest }) => ({ ...at, ...rest })),
  elsewhere.map((at) => ({ ...at, catalog: true })),
  // On the default registry it would be a prototype, if it were a role.
  fc.record({ registry: fc.constant(stateRegistry), repository: fc.constant("acme/*"), actions }),
  fc.record({ repository: fc.constant("acme/*"), actions: fc.constantFrom(["push"], ["pull", "delete"]) }),
);
const resource = (one: { registry?: string; repository?: string }) => JSON.stringify([one.registry, one.repository]);

const robot = fc.record({
  description: prose,
  unstructured_metadata: fc.dictionary(
    fc.string({ maxLength: 8 }).filter((name) => name !== "__proto__"),
    fc.letrec((tie) => ({
      value: fc.oneof({ maxDepth: 3 }, prose, number, fc.boolean(), fc.constant(null), tie("list"), tie("object")),
      list: fc.array(tie("value"), { maxLength: 3 }),
      object: fc.dictionary(fc.constantFrom("a", "b", "constructor", "1", "ü"), tie("value"), { maxKeys: 3 }),
    })).value,
    { maxKeys: 3 },
  ),
  disabled: fc.boolean(),
  federation: fc.uniqueArray(entry, { maxLength: 4, selector: (one) => JSON.stringify(one) }),
  grants: fc.uniqueArray(grant, { maxLength: 4, selector: resource }),
});

const settings = fc.record({
  email: fc.option(line),
  audiences: fc.option(lines),
  clients: fc.option(lines),
  robot_tokens: fc.constantFrom("on_create", "on_request", "never"),
  anonymous_pull: fc.uniqueArray(
    fc
      .record({ at: elsewhere, repository: fc.constantFrom("acme/public", "acme/public/*", "acme/*", "legacy/x") })
      .map(({ at, ...rest }) => ({ ...at, ...rest })),
    { maxLength: 3, selector: resource },
  ),
  repository_prefixes: fc.constantFrom(["legacy"], ["old/acme/*", "legacy"]),
});

type Robot = typeof robot extends fc.Arbitrary<infer T> ? T : never;

const holdsAll = ({ grants }: Robot) => grants.some((one) => resource(one) === resource({ repository: "acme/*" }));

export const organizationStates = fc
  .dictionary(fc.constantFrom(...robotNames), robot, { maxKeys: robotNames.length })
  .chain((robots) => {
    const names = Object.keys(robots);
    const some = (from: string[]) => (from.length > 0 ? fc.constantFrom(...from) : fc.constant("none"));
    const among = <T>(from: string[], value: fc.Arbitrary<T>) =>
      fc.dictionary(some(from), value, { maxKeys: from.length });
    return fc.record({
      settings,
      members: among([...statePrincipals, ...names.map((name) => `acme+${name}`)], role),
      robots: fc.constant(robots),
      prototypes: among(
        names.filter((name) => !holdsAll(robots[name] as Robot)),
        repositoryRole,
      ),
    });
  });

export type OrganizationState = typeof organizationStates extends fc.Arbitrary<infer T> ? T : never;
