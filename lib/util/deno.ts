/** The parts of Deno's API that are used; `undefined` on other runtimes. */
export const Deno: Deno | undefined = (globalThis as { Deno?: Deno }).Deno;

interface Deno {
  readonly permissions: {
    querySync(
      descriptor:
        | { readonly name: "net"; readonly host: string }
        | { readonly name: "env"; readonly variable: string }
        | { readonly name: "read"; readonly path: string },
    ): { readonly state: string };
  };
  createHttpClient(options: object): HttpClient;
}

export interface HttpClient {
  close(): void;
}
