/** Checks a template by AWS's own specification: the resources' properties and their types, and what references name. */
import { createRequire } from "node:module";
import type { Template, Value } from "./template.ts";

/** As much of the specification as is used here; Deno, where nothing asks for it, does not have it. */
interface Specification {
  lookup(
    entity: "resource",
    field: "cloudFormationType",
    how: "equals",
    type: string,
  ): Iterable<ResourceType>;
  get(entity: "typeDefinition", id: string): TypeDefinition;
}

interface TypeDefinition {
  readonly properties: Readonly<Record<string, { readonly type: PropertyType; readonly required?: boolean }>>;
}

interface ResourceType extends TypeDefinition {
  readonly attributes: Readonly<Record<string, unknown>>;
}

type PropertyType =
  | { readonly type: "array" | "map"; readonly element: PropertyType }
  | { readonly type: "ref"; readonly reference: { readonly $ref: string } }
  | { readonly type: "union"; readonly types: readonly PropertyType[] }
  | { readonly type: "string" | "number" | "integer" | "boolean" | "json" | "tag" | "date-time" | "null" };

const samFunction = "AWS::Serverless::Function";
/** What SAM makes for a function that has a URL, by the end of its name. */
const urlType = { suffix: "Url", type: "AWS::Lambda::Url" };

/** What is wrong with the template, each mistake with its place; an empty list for a sound one. */
export async function mistakesIn(template: Template): Promise<string[]> {
  const { loadAwsServiceSpec } = createRequire(import.meta.url)("@aws-cdk/aws-service-spec") as {
    loadAwsServiceSpec(): Promise<Specification>;
  };
  const check = new Check(template, await loadAwsServiceSpec());
  check.all();
  return check.mistakes;
}

class Check {
  readonly mistakes: string[] = [];
  readonly #template: Template;
  readonly #specification: Specification;

  constructor(template: Template, specification: Specification) {
    this.#template = template;
    this.#specification = specification;
  }

  all(): void {
    const { Globals, Outputs, Conditions, Resources } = this.#template;
    for (const [name, { Type, Properties }] of Object.entries(Resources)) {
      const globals = Type === samFunction ? Globals.Function : {};
      const type = this.#typeNamed(Type);
      if (type === undefined) this.mistakes.push(`${name}: there is no type ${Type}`);
      else this.#checkProperties(name, { ...globals, ...Properties }, type);
      this.#checkReferences(name, { ...globals, ...Properties });
    }
    this.#checkReferences("Conditions", Conditions as Value);
    for (const [name, { Value }] of Object.entries(Outputs)) this.#checkReferences(`Outputs.${name}`, Value);
  }

  #typeNamed(type: string): ResourceType | undefined {
    const [found] = this.#specification.lookup("resource", "cloudFormationType", "equals", type);
    if (found === undefined || type !== samFunction) return found;
    // SAM hands on what it does not know itself.
    const handedOn = Object.entries(this.#typeNamed("AWS::Lambda::Function")?.properties ?? {})
      .map(([name, property]) => [name, { ...property, required: false }]);
    return { ...found, properties: { ...Object.fromEntries(handedOn), ...found.properties } };
  }

  #checkProperties(place: string, values: object, { properties }: TypeDefinition): void {
    for (const [name, value] of Object.entries(values)) {
      const property = properties[name];
      if (property === undefined) this.mistakes.push(`${place}: there is no property ${name}`);
      else this.#checkType(`${place}.${name}`, value as Value, property.type);
    }
    for (const [name, { required }] of Object.entries(properties)) {
      if (required && !(name in values)) this.mistakes.push(`${place}: ${name} is missing`);
    }
  }

  #checkType(place: string, value: Value, type: PropertyType): void {
    const [key = "", of] = functionIn(value) ?? [];
    if (key === "Fn::If") {
      for (const branch of (of as readonly Value[]).slice(1)) this.#checkType(place, branch, type);
    } else if (key === "") {
      if (type.type === "union") this.#checkUnion(place, value, type.types);
      else this.#checkPlain(place, value, type);
    }
  }

  #checkUnion(place: string, value: Value, types: readonly PropertyType[]): void {
    const attempts = types.map((type) => {
      const attempt = new Check(this.#template, this.#specification);
      attempt.#checkType(place, value, type);
      return attempt.mistakes;
    });
    const [best = []] = attempts.sort((one, other) => one.length - other.length);
    this.mistakes.push(...best);
  }

  #checkPlain(place: string, value: Value, type: Exclude<PropertyType, { type: "union" }>): void {
    const isMap = typeof value === "object" && !Array.isArray(value);
    const isWrong = (isGood: boolean): boolean => {
      if (!isGood) this.mistakes.push(`${place} must be of the type ${type.type}`);
      return !isGood;
    };
    if (type.type === "array") {
      if (isWrong(Array.isArray(value))) return;
      (value as readonly Value[]).forEach((each, index) =>
        this.#checkType(`${place}[${index}]`, each, type.element)
      );
    } else if (type.type === "map") {
      if (isWrong(isMap)) return;
      for (const [name, each] of Object.entries(value)) {
        this.#checkType(`${place}.${name}`, each, type.element);
      }
    } else if (type.type === "ref") {
      if (isWrong(isMap)) return;
      const definition = this.#specification.get("typeDefinition", type.reference.$ref);
      this.#checkProperties(place, value as object, definition);
    } else if (type.type === "number" || type.type === "integer") isWrong(typeof value === "number");
    else if (type.type === "boolean") isWrong(typeof value === "boolean");
    else if (type.type === "string") isWrong(typeof value === "string" || typeof value === "number");
  }

  #checkReferences(place: string, value: Value): void {
    const [key = "", of] = functionIn(value) ?? [];
    if (key === "Ref") this.#checkName(place, String(of));
    if (key === "Fn::GetAtt") this.#checkName(place, String(of));
    if (key === "Fn::Sub") {
      for (const [, name = ""] of String(of).matchAll(/\$\{([^}]+)\}/g)) this.#checkName(place, name);
    }
    if (key === "Fn::If") {
      const [condition] = of as readonly Value[];
      if (!(String(condition) in this.#template.Conditions)) {
        this.mistakes.push(`${place}: there is no condition ${condition}`);
      }
    }
    if (typeof value !== "object") return;
    for (const each of Object.values(value)) this.#checkReferences(place, each as Value);
  }

  /** A parameter, a resource or one of its attributes, or what CloudFormation knows by itself. */
  #checkName(place: string, reference: string): void {
    const { Parameters, Resources } = this.#template;
    const [name = "", attribute] = reference.split(".");
    const maker = Resources[name.replace(new RegExp(`${urlType.suffix}$`), "")];
    const isUrl = maker?.Properties["FunctionUrlConfig"] !== undefined;
    const type = Resources[name]?.Type ?? (isUrl ? urlType.type : undefined);
    const isKnown = attribute === undefined
      ? type !== undefined || name in Parameters || name.startsWith("AWS::")
      : type !== undefined &&
        attribute in (this.#typeNamed(type)?.attributes ?? {});
    if (!isKnown) this.mistakes.push(`${place} refers to ${reference}, which is not there`);
  }
}

/** The name of CloudFormation's function and what it is called with, if the value is a call of one. */
function functionIn(value: Value): [name: string, of: Value] | undefined {
  if (typeof value !== "object" || Array.isArray(value)) return undefined;
  const [entry, ...others] = Object.entries(value as Readonly<Record<string, Value>>);
  return others.length === 0 && entry !== undefined && /^Ref$|^Fn::/.test(entry[0]) ? entry : undefined;
}
