/** The SDK's marshalling, loaded with the first request: an import of the toolkit need not wait for it. */
type Marshalling = typeof import("@aws-sdk/util-dynamodb");

let loaded: Marshalling | undefined;

/** Resolves once `marshalling()` is there. */
export async function loadMarshalling(): Promise<void> {
  loaded ??= await import("@aws-sdk/util-dynamodb");
}

export function marshalling(): Marshalling {
  if (loaded === undefined) throw new Error("unreachable: the marshalling is loaded before any request");
  return loaded;
}
