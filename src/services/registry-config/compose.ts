import { certificatesFile, image, publishedPort, type RegistryFacts, tokenOptions, tokenVariables } from "./facts.ts";
import { escapeDollars, indentCertificates, quote, quoteSingly } from "./quoting.ts";

/** All of compose.yaml: the registry with its certificates. */
export function compose(facts: RegistryFacts): string {
  const variables = tokenVariables(tokenOptions(facts));
  const environment = variables.map(([name, value]) => `      ${name}: ${quoteSingly(escapeDollars(value))}\n`);
  return `# ${quote(facts.service)}: compose.yaml, for Docker Compose 2.23.1 or newer. Start it with:
#
#   docker compose up --detach
#
# Clients are to reach it at ${quote(facts.host)}. Unless that is this machine, put a proxy with TLS in front.
# Before ${facts.keyProfile === "kid" ? "a signing key" : "the authority"} is rotated, download this file again and start it with --force-recreate.
services:
  registry:
    image: ${image}
    restart: unless-stopped
    environment:
${environment.join("")}    configs:
      - source: certificates
        target: ${certificatesFile}
    ports:
      - 127.0.0.1:${publishedPort(facts)}:5000
    volumes:
      - images:/var/lib/registry
configs:
  certificates:
    content: |
${indentCertificates(facts.certificates, 6)}
volumes:
  images:
`;
}
