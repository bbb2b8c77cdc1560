import { audience, type ProviderTokens } from "./presets-tokens.ts";

const times = { iat: 1_800_000_000, nbf: 1_800_000_000, exp: 1_800_003_600 };

function serviceAccount(issuer: string, values: Record<string, string> = {}): ProviderTokens {
  return {
    values: { namespace: "ci", service_account: "builder", ...values },
    token: {
      ...times,
      iss: issuer,
      aud: [audience],
      sub: "system:serviceaccount:ci:builder",
      jti: "5b6a8a0e-6d6a-4a2e-8e5c-3b1d0c9f8e16",
      "kubernetes.io": {
        namespace: "ci",
        pod: { name: "build-1", uid: "9b2c5f0a-1d3e-4c7b-8a6f-0e1d2c3b4a17" },
        serviceaccount: { name: "builder", uid: "1e4d7c0b-5a8f-4e2d-9c6b-3f0a1b2c3d18" },
      },
    },
    stranger: { sub: "system:serviceaccount:other:builder" },
  };
}

export const clusterTokens: Readonly<Record<string, ProviderTokens>> = {
  "kubernetes-eks": serviceAccount("https://oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE", {
    region: "eu-west-1",
    id: "EXAMPLED539D4633E53DE1B71EXAMPLE",
  }),
  "kubernetes-aks": serviceAccount(
    "https://westeurope.oic.prod-aks.azure.com/16b3c013-d300-468d-ac64-7eda0820b6d3/842120d9-99dd-44dc-be68-91f78bdd41ed/",
    {
      region: "westeurope",
      tenant_id: "16b3c013-d300-468d-ac64-7eda0820b6d3",
      id: "842120d9-99dd-44dc-be68-91f78bdd41ed",
    },
  ),
  "kubernetes-gke": serviceAccount(
    "https://container.googleapis.com/v1/projects/acme-prod/locations/europe-west1/clusters/ci",
    { project: "acme-prod", location: "europe-west1", cluster: "ci" },
  ),
  kubernetes: serviceAccount("https://kubernetes.default.svc.cluster.local"),
  spire: {
    values: { host: "spire-oidc.acme.example", trust_domain: "acme.example", workload: "ns/ci/sa/builder" },
    token: {
      iat: times.iat,
      exp: times.exp,
      iss: "https://spire-oidc.acme.example",
      aud: [audience],
      sub: "spiffe://acme.example/ns/ci/sa/builder",
    },
    stranger: { sub: "spiffe://acme.example/ns/other/sa/builder" },
  },
};
