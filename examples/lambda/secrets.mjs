/** Reads the secrets, once for each instance. */
import process from "node:process";

/**
 * Gives secrets by the names of their variables: each from the SSM parameter that `NAME_PARAMETER` names or, if none is
 * named, from the variable itself.
 */
export async function readSecrets(...names) {
  const parameters = names.map((name) => process.env[`${name}_PARAMETER`]);
  if (!parameters.every(Boolean)) return names.map((name) => process.env[name]);
  // Lambda's Node has this package.
  const { GetParametersCommand, SSMClient } = await import("@aws-sdk/client-ssm");
  const command = new GetParametersCommand({ Names: parameters, WithDecryption: true });
  const { Parameters = [], InvalidParameters = [] } = await new SSMClient().send(command);
  if (InvalidParameters.length > 0) {
    throw new Error(`SSM has no parameter ${InvalidParameters.join(", ")}. Make it by aws ssm put-parameter.`);
  }
  return parameters.map((parameter) => Parameters.find(({ Name }) => Name === parameter).Value);
}
