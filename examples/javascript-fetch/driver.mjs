// The driver of client.mjs: what sadpath asks for, as calls of the client. sadpath_driver.mjs is the kit.

import { ApiError, ShopClient } from "./client.mjs";
import { Failure, serve, Value } from "./sadpath_driver.mjs";

const PATHS = {
  "users.get": ["GET", "/users/{id}"],
  "users.list": ["GET", "/users"],
  "users.create": ["POST", "/users"],
  "users.update": ["PUT", "/users/{id}"],
  "users.delete": ["DELETE", "/users/{id}"],
  "orders.list": ["GET", "/orders"],
  "orders.create": ["POST", "/orders"],
  "settings.get": ["GET", "/settings"],
};
const KINDS = { timeout: "timeout.read", network: "reset", broken: "decode" };
const BY_STATUS = {
  401: "unauthorized",
  403: "forbidden",
  404: "not_found",
  409: "conflict",
  422: "validation",
  429: "rate_limited",
};

async function made(client, method, path, call, { data, headers = {} }) {
  try {
    const options = { data, headers: { ...headers, ...call.headers }, signal: call.signal };
    const answer = await client.request(method, path, options);
    return new Value(answer.data, { status: answer.status, source: "network", attempts: answer.attempts });
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const kind = KINDS[error.kind] ?? BY_STATUS[error.status] ?? (error.status >= 500 ? "server" : "unexpected_status");
    throw new Failure(kind, error.message, { status: error.status, attempts: error.attempts, cause: error });
  }
}

function operation(client, args, call) {
  const [method, path] = PATHS[call.op];
  const asked = ["page", "limit", "cursor"].filter((name) => args[name] !== undefined && args[name] !== null);
  const query = new URLSearchParams(asked.map((name) => [name, args[name]])).toString();
  const whole = path.replace("{id}", encodeURIComponent(args.id)) + (query && `?${query}`);
  return made(client, method, whole, call, { data: args.data });
}

const http = (client, args, call) =>
  made(client, args.method, args.path, call, { data: args.json ?? undefined, headers: args.headers ?? {} });

serve({
  name: "javascript-fetch",
  version: "1.0",
  http: `fetch of Node ${process.version}`,
  capabilities: ["retry", "cancel", "call_tag"],
  create: (aCase) => new ShopClient(aCase.base_url, aCase.auth?.access_token ?? null),
  operations: { http, ...Object.fromEntries(Object.keys(PATHS).map((name) => [name, operation])) },
});
