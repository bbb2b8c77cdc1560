import fc from "fast-check";

/** Repository names and the patterns that cover them, from a few parts, so that they meet each other often. */
const part = fc.constantFrom("acme", "app", "web-1", "a_b", "x.y");
export const repositoryName = fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/"));
export const repositoryPattern = fc.oneof(
  repositoryName,
  repositoryName.map((name) => `${name}/*`),
  fc.constant("*"),
);
export const repositoryActionSet = fc.uniqueArray(fc.constantFrom("pull", "push", "delete"), { minLength: 1 });
