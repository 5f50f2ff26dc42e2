/** `startFaultGate`: a `FaultGate` as an HTTP proxy on loopback. */
import {
  Agent,
  createServer,
  type IncomingMessage,
  request as httpRequest,
  type ServerResponse,
} from "node:http";
import { closeAtOnce, listen, readBody } from "../loopback.ts";
import {
  assertGateOptions,
  FaultGate,
  type FaultGateOptions,
  type GateAnswer,
  type GateRequest,
} from "./fault_gate.ts";

/**
 * Starts an HTTP proxy on loopback in front of a DynamoDB emulator, which shows what no emulator shows: refused
 * access, throttling, lost answers, silence. Give its `endpoint` to the client in place of the emulator's.
 * @throws {TypeError} If an option is unknown, or an action misspelt; so do the gate's methods.
 * @throws {RangeError} If the target is no `http://` endpoint.
 */
export async function startFaultGate(options: FaultGateOptions): Promise<FaultGate> {
  assertGateOptions(options);
  const { target, port = 0 } = options;
  const agent = new Agent({ keepAlive: true });
  const server = createServer((request, response) => {
    // Without a listener the error of a client that leaves would end the process.
    request.on("error", () => {});
    // What breaks behind the gate reaches the client as a broken connection, as it would without the gate.
    serve(gate, request, response).catch(() => request.socket.destroy());
  });
  const gate: FaultGate = new FaultGate(options, {
    endpoint: `http://127.0.0.1:${await listen(server, port)}`,
    forward: (request) => forward(new URL(target), agent, request),
    close: async () => {
      const closed = closeAtOnce(server);
      agent.destroy();
      await closed;
    },
  });
  return gate;
}

async function serve(gate: FaultGate, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { method = "POST", url = "/", headers } = request;
  const answer = await gate.handle({ method, target: url, headers, body: await readBody(request) });
  if (answer === "hang") return;
  if (answer === "cut") return void request.socket.destroy();
  const { connection: _connection, "transfer-encoding": _encoding, ...rest } = answer.headers;
  response.writeHead(answer.status, { ...rest, "content-length": answer.body.length }).end(answer.body);
}

/** Forwards a request as it came, and resolves once the whole answer is there. */
function forward(target: URL, agent: Agent, request: GateRequest): Promise<GateAnswer> {
  const { method, headers, body } = request;
  return new Promise((resolve, reject) => {
    const forwarded = httpRequest(
      new URL(request.target, target),
      { method, headers, agent },
      (answer) =>
        readBody(answer).then(
          (content) => resolve({ status: answer.statusCode ?? 500, headers: answer.headers, body: content }),
          reject,
        ),
    );
    forwarded.on("error", reject);
    forwarded.end(body);
  });
}
