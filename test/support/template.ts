/** The SAM template of examples/lambda, as CloudFormation reads it. */
import type { CreateTableCommandInput } from "@aws-sdk/client-dynamodb";
import { readFileSync } from "node:fs";
import { type CollectionTag, isMap, isSeq, parse, type ScalarTag } from "yaml";

export type Schema = Omit<CreateTableCommandInput, "TableName">;

/** A text, a number, `{ Ref: "Chats" }`, `{ "Fn::If": ["IsReserved", 5, …] }` and such, or lists and maps of these. */
export type Value = string | number | boolean | readonly Value[] | { readonly [key: string]: Value };

export interface Resource {
  readonly Type: string;
  readonly DeletionPolicy?: string;
  readonly UpdateReplacePolicy?: string;
  readonly Properties: Readonly<Record<string, Value>>;
}

export interface Template {
  readonly Parameters: Readonly<Record<string, { readonly NoEcho?: boolean; readonly Default?: Value }>>;
  readonly Conditions: Readonly<Record<string, Value>>;
  readonly Globals: { readonly Function: Resource["Properties"] };
  readonly Resources: Readonly<Record<string, Resource>>;
}

/** What one of the policy's statements allows. */
export interface Statement {
  readonly Effect: string;
  readonly Action: readonly string[];
  readonly Resource: readonly string[];
}

export const lambdaFolder: URL = new URL("../../examples/lambda/", import.meta.url);

const names = ["Ref", "GetAtt", "Sub", "If", "Not", "Equals", "And"];
const longForm = (name: string): string => name === "Ref" ? name : `Fn::${name}`;
const customTags = names.flatMap((name): (ScalarTag | CollectionTag)[] => [
  { tag: `!${name}`, resolve: (text) => ({ [longForm(name)]: text }) },
  { tag: `!${name}`, collection: "seq", resolve: (items) => ({ [longForm(name)]: plain(items) }) },
]);

/** A node of YAML as a value. */
function plain(node: unknown): Value {
  if (isSeq(node)) return node.items.map(plain);
  if (isMap(node)) return Object.fromEntries(node.items.map(({ key, value }) => [String(key), plain(value)]));
  return (node as { readonly value: Value }).value;
}

export function readTemplate(): Template {
  return parse(readFileSync(new URL("template.yaml", lambdaFolder), "utf8"), { customTags }) as Template;
}

type Values = Readonly<Record<string, string>>;

/** The template with its parameters, as CloudFormation deploys it. */
export class Deployment {
  readonly template: Template = readTemplate();
  readonly #values: Values;

  /** @param values Of parameters that differ from their defaults, and what resources are called. */
  constructor(values: Values) {
    const defaults = Object.entries(this.template.Parameters)
      .map(([name, parameter]) => [name, String(parameter.Default ?? "")]);
    const aws = { "AWS::Partition": "aws", "AWS::Region": "us-east-1", "AWS::AccountId": "123456789012" };
    this.#values = { ...aws, ...Object.fromEntries(defaults), ...values };
  }

  /** A resource's properties, those of `Globals` among them. */
  propertiesOf(name: string): Resource["Properties"] {
    const { Type, Properties } = this.#resource(name);
    const globals = Type === "AWS::Serverless::Function" ? this.template.Globals.Function : {};
    return this.#resolved({ ...globals, ...Properties }) as Resource["Properties"];
  }

  /** A function's variables. */
  variablesOf(name: string): Values {
    const variables = [this.template.Globals.Function, this.#resource(name).Properties].map((properties) => {
      const { Variables = {} } = (properties["Environment"] ?? {}) as { readonly Variables?: Value };
      return this.#resolved(Variables) as Values;
    });
    return Object.assign({}, ...variables) as Values;
  }

  /** What a function may do: the statements of its role's only policy. */
  statementsOf(name: string): readonly Statement[] {
    const [, role = ""] = /^(\w+)\.Arn$/.exec(String(this.propertiesOf(name)["Role"])) ?? [];
    const { Policies } = this.propertiesOf(role) as unknown as {
      readonly Policies: readonly [{ readonly PolicyDocument: { readonly Statement: readonly Statement[] } }];
    };
    if (Policies.length !== 1) throw new Error(`${role} has ${Policies.length} policies`);
    return Policies[0].PolicyDocument.Statement;
  }

  #resource(name: string): Resource {
    const resource = this.template.Resources[name];
    if (resource === undefined) throw new Error(`The template has no resource ${name}`);
    return resource;
  }

  /** `undefined` for what is left out. */
  #resolved(value: Value): Value | undefined {
    if (Array.isArray(value)) {
      return value.map((each) => this.#resolved(each)).filter((each): each is Value => each !== undefined);
    }
    if (typeof value !== "object") return value;
    const [[key, of] = ["", ""]] = Object.entries(value as Readonly<Record<string, Value>>);
    if (key === "Ref") return of === "AWS::NoValue" ? undefined : this.#values[String(of)] ?? String(of);
    if (key === "Fn::GetAtt") return String(of);
    if (key === "Fn::Sub") {
      return String(of).replace(/\$\{([^}]+)\}/g, (_, name) => this.#values[name] ?? name);
    }
    if (key === "Fn::If") {
      const [condition, yes, no] = of as readonly [string, Value, Value];
      return this.#resolved(this.#isTrue(this.template.Conditions[condition] ?? "") ? yes : no);
    }
    const entries = Object.entries(value).map(([name, each]) => [name, this.#resolved(each)]);
    return Object.fromEntries(entries.filter(([, each]) => each !== undefined)) as Value;
  }

  #isTrue(condition: Value): boolean {
    const [[key, of] = ["", []]] = Object.entries(condition as Readonly<Record<string, Value>>);
    const [first = "", second = ""] = of as readonly Value[];
    if (key === "Fn::Not") return !this.#isTrue(first);
    return String(this.#resolved(first)) === String(this.#resolved(second));
  }
}
