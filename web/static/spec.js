/** Reads an OpenAPI 3 description: follows references, and lists what a call takes. */

/** The calls of `spec`, each `{ method, path, tag, operation }`, in its order. */
export function callsOf(spec) {
  const methods = ["get", "post", "put", "patch", "delete"];
  return Object.entries(spec.paths ?? {}).flatMap(([path, item]) =>
    methods
      .filter((method) => item[method])
      .map((method) => ({ method, path, tag: item[method].tags?.[0] ?? "other", operation: item[method] })),
  );
}

/** Follows `$ref` within `spec`; what does not lead anywhere is an empty object. */
export function resolve(spec, node) {
  let found = node ?? {};
  for (let hops = 0; found.$ref && hops < 20; hops += 1) {
    const keys = found.$ref.replace(/^#\//, "").split("/");
    found = keys.reduce((at, key) => at?.[key.replaceAll("~1", "/").replaceAll("~0", "~")], spec) ?? {};
  }
  return found;
}

/** What the body of a call is: JSON with fields, or text of some type; null where it takes none. */
export function bodyOf(spec, operation) {
  const content = resolve(spec, operation.requestBody).content;
  if (!content) return null;
  const json = content["application/json"];
  if (!json) return { type: Object.keys(content)[0], fields: null };
  const schema = resolve(spec, json.schema);
  if (schema.type === "array") {
    const { example } = resolve(spec, schema.items);
    return { type: "application/json", fields: null, example: example ? [example] : null };
  }
  return { type: "application/json", fields: fieldsOf(spec, schema) };
}

/** Parameters in the address and the head of a call, as fields that say where they go. */
export function parametersOf(spec, operation) {
  return (operation.parameters ?? [])
    .map((parameter) => resolve(spec, parameter))
    .map((parameter) => ({
      ...field(spec, parameter.name, parameter.schema, parameter.required, parameter.description),
      place: parameter.in,
    }));
}

/** A sentence about a type, such as `string or array of string`. */
export function typeOf(spec, schema) {
  const type = resolve(spec, schema);
  if (type.oneOf ?? type.anyOf) return (type.oneOf ?? type.anyOf).map((one) => typeOf(spec, one)).join(" or ");
  if (type.enum) return type.enum.map((value) => JSON.stringify(value)).join(" or ");
  if (type.type === "array") return `array of ${typeOf(spec, type.items)}`;
  return type.type ?? "any";
}

function fieldsOf(spec, schema) {
  const required = schema.required ?? [];
  return Object.entries(schema.properties ?? {}).map(([name, property]) =>
    field(spec, name, property, required.includes(name)),
  );
}

function field(spec, name, schema, required = false, description = null) {
  const type = resolve(spec, schema);
  return {
    name,
    required,
    type: typeOf(spec, type),
    isJson: ["array", "object"].includes(type.type),
    isText: type.type === "string" || Boolean(type.oneOf),
    choices: type.enum ?? (type.type === "boolean" ? [true, false] : null),
    description: description ?? type.description ?? "",
    example: type.example ?? null,
    standard: type.default ?? null,
  };
}
