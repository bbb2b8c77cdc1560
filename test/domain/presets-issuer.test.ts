import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { presetOf, presets } from "../../src/domain/presets.ts";

describe("the preset of an issuer", () => {
  it.each([
    ["https://token.actions.githubusercontent.com", "github-actions"],
    ["https://token.actions.githubusercontent.com/octocat-inc", "github-enterprise-cloud"],
    ["https://token.actions.octocorp.ghe.com", "github-enterprise-cloud"],
    ["https://token.actions.octocorp.ghe.com/octocorp", "github-enterprise-cloud"],
    ["https://github.acme.example:8443/_services/token", "github-enterprise-server"],
    ["https://codeberg.org/api/actions", "codeberg"],
    ["https://git.acme.example/api/actions", "forgejo"],
    ["https://oidc.circleci.com", "circleci-root"],
    ["https://oidc.circleci.com/org/7a9c1c1e-6a43-4d0b-8d5e-0f6f3f2b1a10", "circleci"],
    ["https://kubernetes.default.svc", "kubernetes"],
    ["https://acme.auth0.com/", "auth0"],
    ["https://acme.eu.auth0.com/", "auth0"],
  ])("%s is %s", (issuer, id) => {
    expect(presetOf(issuer)?.id).toBe(id);
  });

  it.each([
    ["a slash more", "https://token.actions.githubusercontent.com/"],
    ["two slashes more", "https://token.actions.githubusercontent.com//"],
    ["an empty name", "https://oidc.circleci.com/org/"],
    ["a slash less", "https://acme.eu.auth0.com"],
    ["a slash less in the middle", "https://westeurope.oic.prod-aks.azure.com/tenant/cluster"],
    ["a path more", "https://token.actions.githubusercontent.com/octocat-inc/more"],
    ["a label before", "https://evil.token.actions.githubusercontent.com"],
    ["a label behind", "https://token.actions.githubusercontent.com.evil.example"],
    ["no dot before", "https://eviltoken.actions.githubusercontent.com"],
    ["another character for a dot", "https://token-actions.githubusercontent.com"],
    ["two labels for one", "https://a.b.oic.prod-aks.azure.com/tenant/cluster/"],
    ["no label for one", "https://.oic.prod-aks.azure.com/tenant/cluster/"],
    ["a label that begins with what none may hold", "https://_eu.oic.prod-aks.azure.com/tenant/cluster/"],
    ["a label that ends with what none may hold", "https://eu_.oic.prod-aks.azure.com/tenant/cluster/"],
    ["no region", "https://oidc.eks..amazonaws.com/id/1"],
    ["a port", "https://token.actions.githubusercontent.com:8443"],
    ["its own port", "https://token.actions.githubusercontent.com:443"],
    ["a user", "https://token.actions.githubusercontent.com@evil.example"],
    ["a user before", "https://evil@gitlab.com"],
    ["upper case", "https://GitLab.com"],
    ["plain http", "http://gitlab.com"],
    ["another scheme", "ftp://gitlab.com"],
    ["no scheme", "gitlab.com"],
    ["a query", "https://gitlab.com?x"],
    ["a fragment", "https://gitlab.com#x"],
    ["a query in a name", "https://oidc.circleci.com/org/1?x"],
    ["an escape in a name", "https://oidc.circleci.com/org/%2e%2e"],
    ["a dot for a name", "https://oidc.circleci.com/org/."],
    ["two dots for a name", "https://oidc.circleci.com/org/.."],
    ["two dots to walk back", "https://gitlab.com/x/.."],
    ["a backslash", "https://gitlab.com\\@evil.example"],
    ["a space behind", "https://gitlab.com "],
    ["a line break behind", "https://gitlab.com\n"],
    ["nothing", ""],
  ])("with %s is none", (_, issuer) => {
    expect(presetOf(issuer)).toBeUndefined();
  });

  it("is the one that it was registered with, wherever it is", () => {
    expect(presetOf("https://ci.acme.example", "keycloak")?.id).toBe("keycloak");
    expect(presetOf("https://gitlab.com", "keycloak")?.id).toBe("keycloak");
  });

  it.each([undefined, null, "", "no-such-preset", "toString"])(
    "goes by its URL where %j is registered",
    (registered) => {
      expect(presetOf("https://gitlab.com", registered)?.id).toBe("gitlab");
      expect(presetOf("https://ci.acme.example", registered)).toBeUndefined();
    },
  );

  it("is that of an issuer which strangers share for its very text, and for no other", () => {
    const shared = presets.filter((preset) => preset.shared).flatMap(({ issuers }) => issuers);
    const edit = fc.tuple(fc.nat(50), fc.nat(2), fc.string({ maxLength: 3, unit: "binary" }));
    fc.assert(
      fc.property(fc.constantFrom(...shared), edit, (issuer, [at, removed, inserted]) => {
        const edited = issuer.slice(0, at) + inserted + issuer.slice(at + removed);
        expect(presetOf(edited)?.shared === true).toBe(shared.includes(edited));
      }),
    );
  });
});
