import type { Preset } from "./preset.ts";

const kubernetes = {
  shared: false,
  anchors: { claims: [], paths: [], subjects: ["system:serviceaccount:{name}:"] },
  immutableIds: [],
  replayProtection: false,
  audience:
    "Name it in the pod: a projected volume with serviceAccountToken: {audience: URL}, or kubectl create token --audience=URL. The kubelet keeps one token for many uses.",
  claims: ["kubernetes.io"],
  documentation: "https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/",
};

const subject = "system:serviceaccount:{namespace}:{service_account}";

/** Service accounts of clusters. */
export const clusterPresets: readonly Preset[] = [
  {
    ...kubernetes,
    id: "kubernetes-eks",
    name: "Kubernetes on EKS",
    issuers: ["https://oidc.eks.{region}.amazonaws.com/id/{id}"],
    example: { issuer: "https://oidc.eks.{region}.amazonaws.com/id/{id}", subject },
    documentation: "https://docs.aws.amazon.com/eks/latest/userguide/enable-iam-roles-for-service-accounts.html",
  },
  {
    ...kubernetes,
    id: "kubernetes-aks",
    name: "Kubernetes on AKS",
    issuers: ["https://{region}.oic.prod-aks.azure.com/{tenant_id}/{id}/"],
    example: { issuer: "https://{region}.oic.prod-aks.azure.com/{tenant_id}/{id}/", subject },
    documentation: "https://learn.microsoft.com/en-us/azure/aks/use-oidc-issuer",
  },
  {
    ...kubernetes,
    id: "kubernetes-gke",
    name: "Kubernetes on GKE",
    issuers: ["https://container.googleapis.com/v1/projects/{project}/locations/{location}/clusters/{cluster}"],
    example: {
      issuer: "https://container.googleapis.com/v1/projects/{project}/locations/{location}/clusters/{cluster}",
      subject,
    },
    documentation: "https://cloud.google.com/kubernetes-engine/docs/concepts/workload-identity",
  },
  {
    ...kubernetes,
    id: "kubernetes",
    name: "Kubernetes, on premises",
    issuers: ["https://kubernetes.default.svc.cluster.local", "https://kubernetes.default.svc"],
    example: { issuer: "https://kubernetes.default.svc.cluster.local", subject },
  },
  {
    id: "spire",
    name: "SPIRE",
    issuers: [],
    shared: false,
    anchors: { claims: [], paths: [], subjects: ["spiffe://{name}/"] },
    immutableIds: [],
    replayProtection: false,
    audience: "The workload names it when it asks for a JWT-SVID: spire-agent api fetch jwt -audience URL.",
    claims: [],
    example: { issuer: "https://{host}", subject: "spiffe://{trust_domain}/{workload}" },
    documentation: "https://github.com/spiffe/spire/tree/main/support/oidc-discovery-provider",
  },
];
