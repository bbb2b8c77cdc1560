import { html, raw } from "hono/html";
import { type Content, type Description, isReference, nameOf, type Operation, type Parameter } from "./description.ts";
import { type Html, prose, showSchema, showType } from "./schema.ts";
import { style } from "./style.ts";

export interface ApiPage {
  readonly page: string;
  /** Its `Content-Security-Policy`: it has no script, and asks nobody for anything. */
  readonly policy: string;
}

/** Shows the API to people. */
export async function apiPage(description: Description): Promise<ApiPage> {
  const { info, components = {} } = description;
  const groups = groupsOf(description);
  const page = await html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${info.title}: the API</title>
        <style>${raw(style)}</style>
      </head>
      <body>
        <nav>
          ${groups.map(showContents)}
          <strong><a href="#refusals">refusals</a></strong><br />
          <strong><a href="#schemas">schemas</a></strong>
        </nav>
        <main>
          <h1>${info.title}</h1>
          <p>${prose(info.description)}. <a href="/openapi.json">openapi.json</a> says the same to programs.</p>
          ${Object.values(components.securitySchemes ?? {}).map(
            (scheme) => html`<p><code>Authorization: Bearer TOKEN</code> ${prose(scheme.description)}</p>`,
          )}
          ${groups.map((group) => showGroup(group, components.parameters))}
          <h2 id="refusals">refusals</h2>
          ${Object.entries(components.responses ?? {}).map(
            ([name, refusal]) => html`<section id="refusal-${name}">
              <h3>${name}</h3>
              <p>${prose(refusal.description)}</p>
              ${showContent(refusal)}
            </section>`,
          )}
          <h2 id="schemas">schemas</h2>
          ${Object.entries(components.schemas ?? {}).map(
            ([name, schema]) => html`<section id="schema-${name}">
              <h3>${name}</h3>
              ${schema.description && html`<p>${prose(schema.description)}</p>`} ${showSchema(schema)}
            </section>`,
          )}
        </main>
      </body>
    </html>`;
  return { page: page.toString(), policy: `default-src 'none'; style-src '${await hashOf(style)}'; ${CLOSED}` };
}

const CLOSED = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

async function hashOf(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return `sha256-${btoa(String.fromCharCode(...new Uint8Array(digest)))}`;
}

interface Route {
  readonly method: string;
  readonly path: string;
  readonly operation: Operation;
}

interface Group {
  readonly name: string;
  readonly description?: string;
  readonly routes: readonly Route[];
}

function groupsOf({ tags = [], paths = {} }: Description): Group[] {
  const routes = Object.entries(paths).flatMap(([path, item]) =>
    Object.entries<Operation>({ ...item }).map(([method, operation]): Route => ({ method, path, operation })),
  );
  return tags.map((tag) => ({ ...tag, routes: routes.filter(({ operation }) => operation.tags.includes(tag.name)) }));
}

function showContents({ name, routes }: Group): Html {
  return html`<strong><a href="#${name}">${name}</a></strong>
    <ul>
      ${routes.map(
        ({ method, operation: { operationId } }) =>
          html`<li>${methodName(method)}<a href="#${operationId}">${operationId}</a></li>`,
      )}
    </ul>`;
}

function methodName(method: string): Html {
  return html`<span class="method ${method}">${method.toUpperCase()}</span>`;
}

function showGroup({ name, description, routes }: Group, shared: Readonly<Record<string, Parameter>> = {}): Html {
  return html`<h2 id="${name}">${name}</h2>
    <p>${prose(description)}</p>
    ${routes.map((route) => showRoute(route, shared))}`;
}

function showRoute({ method, path, operation }: Route, shared: Readonly<Record<string, Parameter>>): Html {
  const { operationId, summary, description, parameters = [], requestBody, responses } = operation;
  return html`<section id="${operationId}">
    <h3>${methodName(method)}<code>${path}</code></h3>
    <p>${prose(summary)}</p>
    ${description && html`<p>${prose(description)}</p>`}
    ${parameters.length > 0 && html`<h4>Parameters</h4>`}
    <ul>
      ${parameters.map((one) => showParameter(isReference(one) ? shared[nameOf(one)] : one))}
    </ul>
    ${requestBody && html`<h4>Body${requestBody.required ? "" : ", optional"}</h4>${showContent(requestBody)}`}
    <h4>Answers</h4>
    ${showAnswers(responses)}
  </section>`;
}

function showParameter(parameter: Parameter | undefined): Html | undefined {
  if (!parameter) return undefined;
  const { name, in: place, required, description, schema } = parameter;
  return html`<li>
    <code>${name}</code> <span class="quiet">${place}${required ? "" : ", optional"}:</span> ${showType(schema)}
    ${description && html`<div>${prose(description)}</div>`}
  </li>`;
}

/** What an operation gives, and a line of the refusals that it has in common with others. */
function showAnswers(responses: Operation["responses"]): Html {
  const refusals: Html[] = [];
  const answers: Html[] = [];
  for (const [status, answer] of Object.entries(responses)) {
    if (isReference(answer)) {
      refusals.push(html`<a href="#refusal-${nameOf(answer)}"><code>${status}</code></a> `);
      continue;
    }
    const headers = Object.keys(answer.headers ?? {}).map((name) => html`<span class="quiet">with ${name}</span>`);
    answers.push(html`<p><code>${status}</code> ${prose(answer.description)} ${headers}</p>${showContent(answer)}`);
  }
  return html`${answers}<p>or refused: ${refusals}</p>`;
}

function showContent({ content = {} }: Content): Html[] {
  return Object.entries(content).map(
    ([type, { schema }]) => html`<div><span class="quiet">${type}</span> ${showSchema(schema)}</div>`,
  );
}
