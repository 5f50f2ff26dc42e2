/**
 * AWS Lambda behind a function URL, as far as a function can tell: `node function_url.mjs FILE` loads FILE's `handler`,
 * and gives it each request as an event. A PUT stands for a direct invocation: its body is the event. Prints where it
 * listens, and ends with its standard input.
 */
import { createServer } from "node:http";
import process from "node:process";
import { text } from "node:stream/consumers";
import { pathToFileURL } from "node:url";

const { handler } = await import(pathToFileURL(process.argv[2]).href);
const context = { functionName: "Bot", awsRequestId: "1" };

function eventOf({ method, headers }, body) {
  const http = {
    method,
    path: "/",
    protocol: "HTTP/1.1",
    sourceIp: "127.0.0.1",
    userAgent: headers["user-agent"],
  };
  return {
    version: "2.0",
    routeKey: "$default",
    rawPath: "/",
    rawQueryString: "",
    headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)])),
    requestContext: { accountId: "anonymous", domainName: headers.host, http, stage: "$default" },
    ...body !== "" && { body },
    isBase64Encoded: false,
  };
}

async function answerTo(request) {
  const body = await text(request);
  if (request.method !== "PUT") return await handler(eventOf(request, body), context);
  return { statusCode: 200, headers: {}, body: JSON.stringify(await handler(JSON.parse(body), context)) };
}

const server = createServer((request, response) => {
  answerTo(request).then(
    ({ statusCode, headers, body }) => response.writeHead(statusCode, headers).end(body),
    (error) => response.writeHead(502).end(String(error.stack)),
  );
});
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}/`));
process.stdin.on("end", () => process.exit()).resume();
