/**
 * Every size, age and rate, with its reason. Bytes, seconds and counts, as the names say.
 */
export const limits = {
  /** Names are parts of repository paths, which the OCI specification caps at 255 in practice. */
  name: { min: 2, max: 255 },
  repositoryName: 255,

  token: {
    /** Real CI tokens are 1–4 KiB; Entra's with groups reach 10. */
    bytes: 16 * 1024,
    headerBytes: 2 * 1024,
    /** Deeper or wider JSON than any provider sends. */
    depth: 8,
    members: 256,
    audiences: 16,
    kid: 256,
    jti: 512,
    /** Clocks of well-kept hosts differ by less. */
    leewaySeconds: 30,
    /** How much longer a use is remembered than the token is good: other instances have clocks of their own. */
    usedMarginSeconds: 300,
    /** From `iat` to `exp`: longer-lived tokens are stored credentials in disguise. An issuer may have its own. */
    maxLifetimeSeconds: { default: 24 * 3600, min: 60, max: 48 * 3600 },
  },

  issuer: 600,
  subject: 600,

  binding: {
    perRobot: 100,
    /** Ready to judge, kept in memory; the one used longest ago goes first. */
    compiled: 10_000,
    audiences: 16,
    clients: 16,
    claims: 32,
    claimValues: 64,
    /** An audience, a client, a claim's name or a value compared with it. */
    text: 600,
    scope: 4096,
    description: 1024,
  },

  grantsPerRobot: 500,

  issuerFetch: {
    /** For discovery and keys together. */
    milliseconds: 5000,
    bytes: 100 * 1024,
    keys: 64,
    atOnce: 16,
    /** For the issuers of one organization. */
    atOnceForParty: 2,
    /** Of `atOnce`, for issuers that have worked before. */
    keptForProven: 4,
  },

  /** Characters: a handful of certificates. */
  issuerSettings: { caPem: 64 * 1024 },

  issuerKeys: {
    freshSeconds: 600,
    minFreshSeconds: 60,
    maxFreshSeconds: 3600,
    staleSeconds: 24 * 3600,
    /** An unknown `kid` is the caller's to invent, so it earns one look a minute. */
    unknownKidSeconds: 60,
    minBackoffSeconds: 1,
    maxBackoffSeconds: 60,
    /** Issuers remembered at once, of 100 KiB each at worst; the one used longest ago goes first. */
    issuers: 5000,
  },

  /** A minute; defaults of settings. One NAT address with 300 pipelines passes. */
  rates: {
    exchangesPerAddress: 600,
    refusalsPerAddress: 120,
    exchangesPerRobot: 600,
    exchangesPerIssuer: 6000,
    loginFailuresPerAddress: 120,
    /** Between a failed login by one method and the same by the other, which clients try next. */
    secondKnockSeconds: 10,
    /** How many people's tries of a password are let through from one address, as many times one person's. */
    guessedNames: 10,
    /** Failed logins remembered at once for that. */
    knocks: 10_000,
    /** Buckets remembered at once; the one used longest ago goes first. */
    buckets: 100_000,
  },

  audit: {
    /** Refusals that proved nothing, recorded a minute: at most 1 GB a day, under a flood made for it. */
    unprovedPerMinute: 120,
    /** Of these, for one address. */
    shareOfAddress: 0.25,
    summarySeconds: 60,
    /** Characters of JSON that a claim may have to be kept with a record. */
    claim: 1024,
    /** Of all claims of one record, and of the names of the others. */
    proved: { claims: 4096, names: 2048 },
    unproved: { claims: 2048, names: 512 },
    /** Records held at once for each who reads the log as a stream. */
    streamedAtOnce: 200,
    /** How long they are kept, by default and at most. */
    keepDays: { default: 400, max: 36_500 },
    /** Old ones deleted by one statement, and statements in one round of maintenance: the rest goes with the next. */
    deletion: { records: 1000, statements: 1000 },
  },

  /** Rows of one kind that one statement forgets, and statements in one round of maintenance. */
  cleaning: { rows: 5000, statements: 2000 },

  rsa: { minBits: 2048, maxBits: 8192 },

  robotToken: { minSeconds: 60, maxSeconds: 3600 },
  registryToken: {
    minSeconds: 60,
    maxSeconds: 3600,
    /** zot allows no clock skew: `nbf` and `iat` lie this far back. */
    backdateSeconds: 30,
  },

  certificates: {
    authoritySeconds: 20 * 365 * 24 * 3600,
    /** A leaf is replaced while this much of its life is left: an expired one is an outage. */
    leafMarginSeconds: 30 * 24 * 3600,
    backdateSeconds: 24 * 3600,
    /** An authority that is brought along, with those above it. */
    chain: 4,
    /** Characters of PEM: all but the last travel in every token, which proxies take in a header. */
    chainPem: 8 * 1024,
    broughtMinSeconds: 180 * 24 * 3600,
    /** An authority makes way for the next one while this much of its life is left. */
    authorityMarginSeconds: 120 * 24 * 3600,
  },

  keys: {
    /** How long the keys in memory serve before they are read again: what was ended is refused within a second. */
    freshMilliseconds: 1000,
    /** The same while changes are heard of: what time alone changes is seen as late. */
    heardMilliseconds: 10_000,
    /** A token that names an unknown key makes them be read again, no more often than this. */
    unknownKeyMilliseconds: 100,
    /** Between two rounds of maintenance. */
    maintenanceSeconds: 3600,
    /** Days that a key is active. A registry that finds keys by name has to be restarted once in that time. */
    rotationDays: { robot_token: 90, x5c: 60, kid: 365, registry_authority: 5 * 365 },
    maxRotationDays: 5 * 365,
    /** Days before a turn that a registry has to be restarted for, from which on it is warned of. */
    warnDays: 30,
    /** How long the key before is trusted: longer than any token of its. */
    overlapSeconds: 24 * 3600,
    /** After its end: until then it is known as one of Berth's own, which no issuer may have. */
    forgetSeconds: 400 * 24 * 3600,
    /** A key that a registry learns of by a restart only is published so long before it signs. */
    leadSeconds: 24 * 3600,
  },

  /** API tokens that opened the figures, which they do while the database is away. */
  watchers: { most: 100, rememberedMilliseconds: 15 * 60_000 },

  /** How much of what several requests ask of the database goes into one statement. */
  askedTogether: 50,

  /** What decides of tokens, remembered at once by one process: some 100 MB at most. */
  recalled: {
    /** Robots that log in, each counted once, and once more for every so many grants and bindings of it. */
    robots: 20_000,
    partsOfRobot: 20,
    /** With the robots that have them. */
    bindings: 50_000,
    /** Credentials, each by its hash or its `jti`. */
    tokens: 50_000,
    issuers: 2_000,
    /** That anybody may pull from, or may not. */
    repositories: 50_000,
  },

  staticTokens: {
    /** Of one robot, the old ones that are kept for a while included. */
    perRobot: 10,
    maxKeepOldSeconds: 7 * 24 * 3600,
  },

  organization: { anonymousPulls: 500, repositoryPrefixes: 100 },

  uses: {
    /** Between two writes of what registry tokens were issued for: a crash loses as much. */
    writeMilliseconds: 2000,
    /** Of different access, written by one statement. */
    writtenAtOnce: 200,
    /** Robots and bindings of which one statement notes the last use. */
    seenAtOnce: 5000,
    /** How long it is tried to note when a robot was seen. */
    touchSeconds: 60,
    /** Counts by the day are kept so long. */
    keepDays: 400,
    /** Of one robot, counted by their names; a burst of as many, the rest together. */
    newRepositoriesPerMinute: 100,
    /** Robots' repositories remembered at once for that; the one used longest ago goes first. */
    named: 50_000,
    /** Characters of the scope in a log line. */
    loggedScope: 1024,
  },

  /** At a token server that answers for people: logins under way, of one address and in all. */
  fallbackRealm: { milliseconds: 10_000, atOnceOfAddress: 16, atOnce: 128 },

  /** One registry token request; a real one names three at most. */
  scopes: 64,
  scopeBytes: 4096,
  /** Of a registry token request: clients and proxies give up on more. */
  answerBytes: 64 * 1024,

  /** A probe waits no longer than balancers do, and is told what was found a moment ago. */
  readiness: { milliseconds: 2000, rememberedMilliseconds: 200 },

  http: {
    /** External tokens travel as passwords: 16 KiB become 22 in base64. */
    headerBytes: 32 * 1024,
    exchangeBodyBytes: 64 * 1024,
    apiBodyBytes: 1024 * 1024,
    /** Members and elements of one body: each costs more to check than to send. */
    apiBodyValues: 100_000,
    /** What is kept beside a robot lies deep in the document of the service's state. */
    apiBodyDepth: 32,
    /** How long a stopping server lets requests end. */
    drainMilliseconds: 10_000,
    requestMilliseconds: 60_000,
    /** For a client to say what it wants: a real one does so at once, with 22 KiB of credential too. */
    headersMilliseconds: 20_000,
    /** Between two looks at who takes longer. */
    checkMilliseconds: 5000,
    /** On a connection where no byte moves in either direction; proxies wait no longer either. */
    silentMilliseconds: 60_000,
    /** What is read on of a body, and how long, after it was answered: until its client has seen the answer. */
    lingerBytes: 16 * 1024 * 1024,
    lingerMilliseconds: 5000,
  },

  /** Of JSON: a page of robots shows that of each. */
  robotMetadata: { bytes: 16 * 1024, depth: 16 },

  apiTokenName: 100,
  apiTokenOrganizations: 100,
  apiTokensPerPrincipal: 50,

  /** One document of a desired state. */
  state: { robots: 5000, listed: 5000, bodyBytes: 4 * 1024 * 1024 },

  /** `Idempotency-Key`: its characters, and how long what it made is remembered. */
  idempotency: { key: 255, seconds: 24 * 3600 },

  /** Told of one body at once; more help nobody. */
  problems: 100,

  page: { default: 100, max: 500 },
} as const;
