import {
  certificatesFile,
  image,
  type NameAndValue,
  publishedPort,
  type RegistryFacts,
  tokenOptions,
  tokenVariables,
  trustDirectory,
} from "./facts.ts";
import { quote, quoteForShell } from "./quoting.ts";

const jwksFile = `${trustDirectory}/jwks.json`;

/** The `auth` section of config.yml. */
export function distribution(facts: RegistryFacts): string {
  const options = optionsOfEither(facts).map(([name, value]) => `    ${name}: ${quote(value)}\n`);
  return `# ${quote(facts.service)}: the auth section of config.yml, for Distribution 2.8 and 3. Beforehand:
#
${fetching(facts)}
#
${rereading(facts)}
auth:
  token:
${options.join("")}`;
}

/** For `docker run --env-file`, which takes a line's value as it stands. */
export function env(facts: RegistryFacts): string {
  const lines = tokenVariables(optionsOfEither(facts)).map(([name, value]) => `${name}=${value}\n`);
  return `# ${quote(facts.service)}: registry.env, for Distribution 2.8 and 3. Beforehand:
#
${fetching(facts)}
#
# Then:
#
#   docker run --detach --env-file registry.env --volume ${trustDirectory}:${trustDirectory}:ro \\
#     --publish 127.0.0.1:${publishedPort(facts)}:5000 ${image}
#
${rereading(facts)}
${lines.join("")}`;
}

/** Distribution 3 looks a `kid` up in `jwks`, an option that 2.8 does not know and skips. */
function optionsOfEither(facts: RegistryFacts): readonly NameAndValue[] {
  const options = tokenOptions(facts);
  return facts.keyProfile === "kid" ? [...options, ["jwks", jwksFile]] : options;
}

function fetching({ keyProfile, certificatesUrl, jwksUrl }: RegistryFacts): string {
  const fetch = (url: string, file: string) => `#   curl -fsS --create-dirs -o ${file} ${quoteForShell(url)}`;
  const certificates = fetch(certificatesUrl, certificatesFile);
  return keyProfile === "kid" ? `${certificates}\n${fetch(jwksUrl, jwksFile)}` : certificates;
}

function rereading({ keyProfile }: RegistryFacts): string {
  return keyProfile === "kid"
    ? "# The registry reads both at start only: before a signing key is rotated, fetch them again and restart it."
    : "# The registry reads it at start only: before the authority is rotated, fetch it again and restart it.";
}
