/**
 * The proxy in the environment: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, and NO_PROXY for hosts that are reached without it. A
 * name in NO_PROXY stands for its subdomains, too, as curl and Deno read it.
 */
import process from "node:process";
import { Deno } from "../deno.ts";
import { registerSecret } from "../safe_text.ts";

/** The names of the variables that set a proxy, in both cases. */
export const allProxyVariables: readonly string[] = ["https_proxy", "http_proxy", "all_proxy"]
  .flatMap((name) => [name.toUpperCase(), name]);

/** Those of them that are set. */
export function setProxyVariables(): string[] {
  return allProxyVariables.filter((name) => valueOf(name));
}

/**
 * The proxy for an address; `undefined` where there is none.
 * @throws {TypeError} If the proxy's address is not valid, or has another scheme than http and https.
 */
export async function proxyFor({ protocol, hostname, host }: URL): Promise<URL | undefined> {
  const variables = setProxyVariables();
  if (variables.length === 0 || isExempt(hostname)) return undefined;
  const { getProxyForUrl } = await import("proxy-from-env");
  const proxy = getProxyForUrl(`${protocol}//${host}`);
  if (proxy === "") return undefined;
  const variable = variables.find((name) => proxy.endsWith(valueOf(name))) ?? variables.join(", ");
  // The library gives a value without a scheme the scheme of the address, where curl and Deno mean http.
  const isBare = !valueOf(variable).includes("://");
  return parsed(isBare ? proxy.replace(/^\w+:/, "http:") : proxy, variable);
}

/** A part of an error's message: what to check where a host cannot be reached. */
export function proxyHint(): string {
  const [variable] = setProxyVariables();
  return variable === undefined ? "" : `the proxy that ${variable} names, `;
}

function parsed(proxy: string, variable: string): URL {
  const url = URL.canParse(proxy) ? new URL(proxy) : undefined;
  if (url === undefined || !["http:", "https:"].includes(url.protocol) || !isEncoded(url)) {
    throw new TypeError(
      `The value of ${variable} is no proxy's address: it must be such as http://user:password@proxy.example.org:3128, ` +
        `with http or https, and what is special in the password percent-encoded (% is %25, @ is %40, / is %2F)`,
    );
  }
  for (const form of [url.password, decodeURIComponent(url.password)]) registerSecret(form, "<password>");
  return url;
}

/** Whether the password is what was meant for it: an @ behind the host shows that it has ended too early. */
function isEncoded({ username, password, pathname, search, hash }: URL): boolean {
  try {
    decodeURIComponent(username + password);
    return !(pathname + search + hash).includes("@");
  } catch {
    return false;
  }
}

/** Whether the host is a subdomain of a name in NO_PROXY. The library reads the other forms. */
function isExempt(hostname: string): boolean {
  const names = (valueOf("no_proxy") || valueOf("NO_PROXY")).toLowerCase().split(/[\s,]+/);
  return names.some((name) => name !== "" && hostname.endsWith(`.${name}`));
}

/** Deno heeds these variables even where it does not let the program read them. */
export function mayRead(variable: string): boolean {
  return Deno === undefined ||
    Deno.permissions.querySync({ name: "env", variable }).state === "granted";
}

function valueOf(variable: string): string {
  return mayRead(variable) ? process.env[variable] ?? "" : "";
}
