import { image, type RegistryFacts, tokenOptions, tokenVariables, trustDirectory } from "./facts.ts";
import { escapeDollars, indentCertificates, quote, quoteSingly } from "./quoting.ts";

/** All that runs the registry in a cluster, but for how its host leads there. */
export function kubernetes(facts: RegistryFacts): string {
  const name = resourceName(facts.service);
  const variables = tokenVariables(tokenOptions(facts));
  const env = variables.map(
    ([variable, value]) =>
      `            - name: ${variable}\n              value: ${quoteSingly(escapeDollars(value))}\n`,
  );
  return `# ${quote(facts.service)}: registry.yaml, for Kubernetes. Start it with:
#
#   kubectl apply -f registry.yaml
#
# Clients are to reach it at ${quote(facts.host)}: lead that to the Service below, with TLS.
# Before ${facts.keyProfile === "kid" ? "a signing key" : "the authority"} is rotated, download this file again, apply it, and restart the registry:
#
#   kubectl rollout restart deployment/${name}
apiVersion: v1
kind: ConfigMap
metadata:
  name: ${name}
data:
  certs.pem: |
${indentCertificates(facts.certificates, 4)}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: ${name}
spec:
  accessModes: [ReadWriteOnce]
  resources:
    requests:
      storage: 10Gi
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: ${name}
spec:
  strategy:
    type: Recreate
  selector:
    matchLabels:
      app: ${name}
  template:
    metadata:
      labels:
        app: ${name}
    spec:
      # The registry would take the variables that a Service makes, such as REGISTRY_PORT, for configuration.
      enableServiceLinks: false
      containers:
        - name: registry
          image: ${image}
          env:
${env.join("")}          ports:
            - containerPort: 5000
          readinessProbe:
            httpGet:
              path: /
              port: 5000
          volumeMounts:
            - name: certificates
              mountPath: ${trustDirectory}
            - name: images
              mountPath: /var/lib/registry
      volumes:
        - name: certificates
          configMap:
            name: ${name}
        - name: images
          persistentVolumeClaim:
            claimName: ${name}
---
apiVersion: v1
kind: Service
metadata:
  name: ${name}
spec:
  selector:
    app: ${name}
  ports:
    - port: 5000
`;
}

/** A label of RFC 1035, which a Service's name has to be, and another one for another service. */
function resourceName(service: string): string {
  const label = service
    .toLowerCase()
    .replaceAll("-", "--")
    .replaceAll(".", "-")
    .replace(/[^a-z0-9-]/g, (character) => `-x${character.charCodeAt(0).toString(16)}-`);
  return `registry-${label}`.slice(0, 63).replace(/-+$/, "");
}
