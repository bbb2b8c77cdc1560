import { html } from "hono/html";
import { nameOf, type Schema } from "./description.ts";

export type Html = ReturnType<typeof html>;

/** What is written in code's letters between backticks. */
export function prose(text = ""): Html[] {
  return text.split("`").map((part, index) => (index % 2 === 1 ? html`<code>${part}</code>` : html`${part}`));
}

/** A schema's type, and below it the members of the objects in it. */
export function showSchema(schema: Schema): Html {
  return html`${showType(schema)}${membersOf(schema)}`;
}

export function showType(schema: Schema): Html {
  return html`<span class="type">${between([typeOf(schema), ...limitsOf(schema).map((one) => html`${one}`)], ", ")}</span>`;
}

function typeOf(schema: Schema): Html {
  const { $ref, allOf, anyOf, enum: values, items, additionalProperties: others } = schema;
  if ($ref !== undefined) return html`<a href="#schema-${nameOf({ $ref })}">${nameOf({ $ref })}</a>`;
  if (values)
    return between(
      values.map((value) => html`<code>${JSON.stringify(value)}</code>`),
      " | ",
    );
  if (anyOf) return between(anyOf.map(typeOf), " | ");
  if (allOf) return between(allOf.map(typeOf), " & ");
  const types = [schema.type ?? "any JSON"].flat().map((type) => {
    if (type === "array" && items) return html`[${typeOf(items)}]`;
    return type === "object" && typeof others === "object" ? html`{name: ${typeOf(others)}}` : html`${type}`;
  });
  return between(types, " | ");
}

function between(parts: readonly Html[], separator: string): Html {
  return html`${parts.map((part, index) => (index === 0 ? part : html`${separator}${part}`))}`;
}

function limitsOf(schema: Schema): string[] {
  const { minimum, maximum, minLength, maxLength, minItems, maxItems, format, pattern, example } = schema;
  const { default: fallback } = schema;
  const limits = [
    format,
    range(minimum, maximum, ""),
    range(minLength, maxLength, " characters"),
    range(minItems, maxItems, " entries"),
    pattern && `matches ${pattern}`,
    fallback === undefined || fallback === "" ? undefined : `absent: ${JSON.stringify(fallback)}`,
    example === undefined ? undefined : `for example ${JSON.stringify(example)}`,
  ];
  return limits.filter((limit) => limit !== undefined);
}

function range(min: number | undefined, max: number | undefined, unit: string): string | undefined {
  if (max === undefined) return min === undefined ? undefined : `at least ${min}${unit}`;
  return min === undefined ? `at most ${max}${unit}` : `${min} to ${max}${unit}`;
}

function membersOf({ properties, required, anyOf = [], allOf = [], items, additionalProperties }: Schema): Html {
  if (!properties) {
    const others = typeof additionalProperties === "object" ? [additionalProperties] : [];
    return html`${[...anyOf, ...allOf, ...(items ? [items] : []), ...others].map(membersOf)}`;
  }
  const members = Object.entries(properties).map(([name, member]) => {
    const optional = required?.includes(name) ? "" : html`<span class="quiet">, optional</span>`;
    return html`<li>
      <code>${name}</code>${optional}<span class="quiet">:</span> ${showType(member)}
      ${member.description && html`<div>${prose(member.description)}</div>`}
      ${membersOf(member)}
    </li>`;
  });
  return html`<ul>
    ${members}
  </ul>`;
}
