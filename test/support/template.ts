/** The SAM template of examples/lambda, as CloudFormation reads it. */
import type { CreateTableCommandInput } from "@aws-sdk/client-dynamodb";
import { readFileSync } from "node:fs";
import { parse, type ScalarTag } from "yaml";

export type Schema = Omit<CreateTableCommandInput, "TableName">;

/** `{ Ref: "Chats" }`, `{ "Fn::GetAtt": "Chats.Arn" }` and such. */
export type Value = string | Readonly<Record<string, string>>;

interface Statement {
  readonly Effect: string;
  readonly Action: readonly string[];
  readonly Resource: readonly Value[];
}

export interface Template {
  readonly Parameters: Readonly<
    Record<string, { readonly NoEcho?: boolean; readonly AllowedPattern?: string }>
  >;
  readonly Resources: {
    readonly Bot: {
      readonly Properties: {
        readonly CodeUri: string;
        readonly Handler: string;
        readonly FunctionUrlConfig: { readonly AuthType: string };
        readonly Environment: { readonly Variables: Readonly<Record<string, Value>> };
        readonly Policies: readonly { readonly Statement: readonly Statement[] }[];
      };
    };
    readonly Chats: Table;
    readonly Broadcasts: Table;
  };
}

export interface Table {
  readonly Type: string;
  readonly DeletionPolicy: string;
  readonly UpdateReplacePolicy: string;
  readonly Properties: Schema;
}

export const lambdaFolder: URL = new URL("../../examples/lambda/", import.meta.url);

const shortForm = (tag: string, key: string): ScalarTag => ({ tag, resolve: (text) => ({ [key]: text }) });
const customTags = [
  shortForm("!Ref", "Ref"),
  shortForm("!GetAtt", "Fn::GetAtt"),
  shortForm("!Sub", "Fn::Sub"),
];

export function readTemplate(): Template {
  const text = readFileSync(new URL("template.yaml", lambdaFolder), "utf8");
  // Conditions are left as they are.
  return parse(text, { customTags, logLevel: "error" }) as Template;
}
