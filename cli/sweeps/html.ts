/** @module HTML that can't be mixed up with text: what is not escaped does not compile. */

export interface Html {
  readonly html: string;
}

/** Text as text, in an element or in a quoted attribute. */
export function text(value: string): Html {
  const ENTITIES: ReadonlyMap<string, string> = new Map([
    ['&', '&amp;'],
    ['<', '&lt;'],
    ['>', '&gt;'],
    ['"', '&quot;'],
    ["'", '&#39;'],
  ]);
  return { html: value.replace(/[&<>"']/g, (sign) => ENTITIES.get(sign) ?? sign) };
}

export function markup(parts: TemplateStringsArray, ...values: readonly (Html | readonly Html[])[]): Html {
  const filled = values.map((value) =>
    'html' in value ? value.html : value.map((one) => one.html).join(''),
  );
  return { html: parts.map((part, index) => part + (filled[index] ?? '')).join('') };
}

/** JSON within a script element: nothing in it can close the element or open a comment. */
export function scriptJson(value: unknown): Html {
  return { html: JSON.stringify(value).replaceAll('<', '\\u003c') };
}
