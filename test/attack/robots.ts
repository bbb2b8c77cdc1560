const table = {
  "acme+ci": { binding: {} },
  "acme+wild": { binding: { subject: "repo:acme/*" } },
  "acme+punctuated": {
    binding: { subject: "repo:acme/a.p(p)[1]+|^$?{x}" },
    claims: { sub: "repo:acme/a.p(p)[1]+|^$?{x}" },
  },
  "acme+immutable": {
    binding: { subject: "repo:acme@1001/app@2002:ref:refs/heads/main" },
    claims: { sub: "repo:acme@1001/app@2002:ref:refs/heads/main" },
  },
  "acme+owned": { binding: { claims: { repository_owner_id: { equals: "1001" } } } },
  "acme+guarded": { preset: "github-actions", binding: {} },
  "acme+opted": {
    preset: "github-actions",
    binding: { claims: { event_name: { in: ["push", "pull_request_target"] } } },
  },
  "acme+client": { binding: { audiences: [], clients: ["runner"] } },
  "acme+guild": { binding: { audiences: ["guild", "https://guild.example"] }, claims: { aud: "guild" } },
  "acme+both": { binding: { audiences: ["guild"], clients: ["runner"] }, claims: { aud: "guild" } },
  "acme+deploy": {
    binding: {
      claims: {
        ref: { equals: "refs/heads/main" },
        run: { equals: 7 },
        protected: { equals: true },
        environment: { in: ["production", "staging"] },
        path: { prefix: "acme/" },
        groups: { contains: "deployers" },
      },
    },
  },
  "acme+by-project": { binding: { scope: "repository:acme/{project}:pull" } },
  "acme+past": { binding: { expires_at: "2020-01-01T00:00:00Z" } },
  "acme+rehearsed": { binding: { mode: "audit" } },
  "acme+one-or-two": {
    binding: { subject: "one", audiences: ["for-one"], claims: { ref: { equals: "one" } } },
    second: { subject: "two", audiences: ["for-two"], claims: { ref: { equals: "two" } } },
    claims: { sub: "one", aud: "for-one", ref: "one" },
  },
  "acme+unbound": {},
} satisfies Record<string, Robot>;

export type RobotName = keyof typeof table;

/** The robots that malformed tokens are shown for: how each is bound, and what makes a good token good for it. */
export const robots: Readonly<Record<RobotName, Robot>> = table;

interface Robot {
  /** Its issuer is registered as one of that kind; otherwise the binding itself makes the issuer known. */
  readonly preset?: string;
  readonly binding?: Readonly<Record<string, unknown>>;
  /** Of the same issuer. */
  readonly second?: Readonly<Record<string, unknown>>;
  /** What a good token for it says otherwise than one for `acme+ci`. */
  readonly claims?: Readonly<Record<string, unknown>>;
}

/** A robot's bindings, as the management API takes them. */
export function federationOf(name: RobotName, issuer: string): object[] {
  const { binding, second } = robots[name];
  return [binding, second].flatMap((given) =>
    given ? [{ issuer, subject: "repo:acme/app:ref:refs/heads/main", ...given }] : [],
  );
}

/** Those that a good token opens, so that what is done to it is what is refused. */
export const openRobots = (Object.keys(robots) as RobotName[]).filter(
  (name) => !["acme+past", "acme+rehearsed", "acme+unbound"].includes(name),
);
