/** A fetch for the Bot API of which an answer that has not its form is none: whatever was asked may have been done. */
export function inForm(ask: typeof fetch): typeof fetch {
  return async (input, init) => {
    const response = await ask(input, init);
    const read = response.json.bind(response);
    const json = async (): Promise<unknown> => assertForm(await read());
    return Object.defineProperty(response, "json", { value: json });
  };
}

function assertForm(answer: unknown): unknown {
  const { ok } = (answer ?? {}) as { readonly ok?: unknown };
  if (ok === false || (ok === true && "result" in (answer as object))) return answer;
  throw new Error("the answer is not in the Bot API's form");
}
