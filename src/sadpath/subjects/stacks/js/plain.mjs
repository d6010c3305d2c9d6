/**
 * What the stacks in JavaScript share: an operation becomes one request, and what the library gives back the outcome.
 *
 * Nothing is added that a caller of the library would not have by itself: no retries, no refresh, no cache. The libraries
 * are not beside these files; they are found in the folder that the variable SADPATH_NODE_PACKAGES names.
 */

import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { readFileSync } from "node:fs";

import { Failure, NotSupported, serve, Value } from "../../../kits/sadpath_driver.mjs";

const PACKAGES = process.env.SADPATH_NODE_PACKAGES ?? "";

/** Method and path of each operation of the reference API; whatever else its arguments hold goes into the query. */
const REQUESTS = {
  "auth.login": ["POST", "/auth/login"],
  "auth.logout": ["POST", "/auth/logout"],
  "users.get": ["GET", "/users/{id}"],
  "users.list": ["GET", "/users"],
  "users.create": ["POST", "/users"],
  "users.update": ["PUT", "/users/{id}"],
  "users.delete": ["DELETE", "/users/{id}"],
  "orders.list": ["GET", "/orders"],
  "orders.create": ["POST", "/orders"],
  "settings.get": ["GET", "/settings"],
};

const KINDS = {
  401: "unauthorized",
  403: "forbidden",
  404: "not_found",
  409: "conflict",
  422: "validation",
  429: "rate_limited",
};

/** Failures whose own names say that the request had been sent: whoever catches one knows that its effect is unknown. */
const AFTER_SENDING = new Set(["timeout.read", "timeout.total", "reset", "closed", "truncated", "protocol"]);
const SAFE = new Set(["GET", "HEAD", "OPTIONS"]);

/** Return the module of a library. */
export async function library(name) {
  const found = createRequire(join(PACKAGES, "package.json")).resolve(name);
  return import(pathToFileURL(found).href);
}

/** Return the version of a library that is installed. */
export function versionOf(name) {
  return JSON.parse(readFileSync(join(PACKAGES, "node_modules", name, "package.json"), "utf8")).version;
}

/** The numbers of a `run` message, where the contract's profile changes the library's own; times in milliseconds. */
export class Settings {
  constructor(policy) {
    this.policy = policy ?? {};
  }

  ms(section, name, usual) {
    return this.policy[section]?.[`${name}_ms`] ?? usual;
  }

  number(section, name, usual) {
    return this.policy[section]?.[name] ?? usual;
  }
}

/** Return the kind of failure that a status stands for. */
export function kindOfStatus(status) {
  if (status < 400) return "redirect";
  return KINDS[status] ?? (status >= 500 ? "server" : "unexpected_status");
}

/** Return the milliseconds that a Retry-After asks for, which callers are handed as it came; null where it says none. */
function waitIn(field) {
  if (/^\d+$/.test(field ?? "")) return Number(field) * 1000;
  const date = Date.parse(field ?? "");
  return Number.isNaN(date) ? null : Math.max(0, date - Date.now());
}

/** Return the errors that stand behind one, itself first. */
export function causes(error) {
  const found = [];
  for (let one = error; one && typeof one === "object" && !found.includes(one); one = one.cause) {
    found.push(one, ...(one.errors ?? []));
  }
  return found;
}

/** Codes of Node, and of undici, which is beneath its fetch. */
const BY_CODE = {
  ECONNREFUSED: "refused",
  ECONNRESET: "reset",
  EPIPE: "reset",
  ENOTFOUND: "dns",
  EAI_AGAIN: "dns",
  ERR_SSL_WRONG_VERSION_NUMBER: "tls",
  EPROTO: "tls",
  ERR_INVALID_HTTP_TOKEN: "bug",
  ERR_INVALID_CHAR: "bug",
  ERR_INVALID_URL: "bug",
  ERR_UNESCAPED_CHARACTERS: "bug",
  Z_DATA_ERROR: "decode",
  Z_BUF_ERROR: "decode",
  ERR_HTTP_INVALID_HEADER_VALUE: "bug",
  UND_ERR_CONNECT_TIMEOUT: "timeout.connect",
  UND_ERR_HEADERS_TIMEOUT: "timeout.read",
  UND_ERR_BODY_TIMEOUT: "timeout.read",
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: "truncated",
  UND_ERR_HEADERS_OVERFLOW: "too_large",
  UND_ERR_INVALID_ARG: "bug",
};

/** Return what the code of an error, or of one behind it, stands for, null where it is none. */
export function kindOfCode(error) {
  for (const { code = "", message = "" } of causes(error)) {
    if (code === "ECONNRESET" && message === "socket hang up") return "closed";
    if (code === "ECONNRESET" && message === "aborted") return "truncated";
    if (code === "UND_ERR_SOCKET" && message === "other side closed") return "closed";
    if (code in BY_CODE) return BY_CODE[code];
    if (code.startsWith?.("HPE_")) return "protocol";
    if (/^ERR_(TLS|SSL)_|CERT|SIGNATURE|ISSUER|SELF_SIGNED|CRL/.test(code)) return "tls";
  }
  return null;
}

/**
 * Answer sadpath for one library.
 *
 * @param {object} stack `name`, `http` (the libraries with their versions), `capabilities`, and `open(settings, ca)`, which
 *   returns the library's client: `send(asked, signal)` resolves to `{status, data, wait}` as its caller gets them, where
 *   status may be any and wait is a Retry-After; `explain(error)` returns `{kind, status?}` for one of the library's own errors, null for any other;
 *   `close()`. `asked` is `{method, url, headers, body}`; body is what JSON is made of, or undefined.
 */
export function answerFor({ name, http, capabilities, open }) {
  serve({
    name,
    version: "1",
    http,
    capabilities,
    max_parallel: 16,
    create: async (run) => new Life(await open(new Settings(run.policy), run.tls_ca ?? null), run),
    operations: Object.fromEntries(
      ["http", ...Object.keys(REQUESTS)].map((op) => [op, (life, args, call) => life.made(op, { ...args }, call)]),
    ),
  });
}

class Life {
  constructor(client, run) {
    this.client = client;
    this.base = run.base_url;
    this.resume(run.auth);
  }

  get signed_in() {
    return this.token !== null;
  }

  resume(auth) {
    this.auth = auth;
    this.token = auth?.access_token ?? null;
  }

  offline() {
    throw new NotSupported("the library asks nobody whether it is online");
  }

  close() {
    return this.client.close?.();
  }

  async made(op, args, call) {
    if (call.pages || !call.replayable) {
      throw new NotSupported("the library sends one request with a body of its own for each call");
    }
    const asked = this.asked(op, args, call.headers);
    let answered;
    try {
      answered = await this.client.send(asked, call.signal);
    } catch (error) {
      if (call.signal.aborted) throw new DOMException("the call was cancelled", "AbortError");
      const found = this.client.explain(error);
      if (found === null) throw error;
      const effect_unknown = AFTER_SENDING.has(found.kind) && !SAFE.has(asked.method);
      const native = error.code ?? error.name;
      throw new Failure(found.kind, error.message, { status: found.status, effect_unknown, native, cause: error });
    } finally {
      if (op === "auth.logout") this.token = null;
    }
    const { status, data, wait } = answered;
    if (status >= 300) {
      const retry_after_ms = waitIn(wait);
      throw new Failure(kindOfStatus(status), `HTTP ${status}`, { status, retry_after_ms, native: "status" });
    }
    if (op === "auth.login") this.token = data?.access_token ?? null;
    return new Value(data, { status });
  }

  asked(op, args, tag) {
    const headers = { ...tag };
    let method, path, body;
    const { idempotency_key, ...rest } = args;
    let query = rest;
    if (op === "http") {
      ({ method, path, json: body, ...query } = rest);
      Object.assign(headers, query.headers);
      delete query.headers;
    } else {
      const [verb, template] = REQUESTS[op];
      const { id, data, ...left } = rest;
      if (template.includes("{id}") && id === undefined) throw new NotSupported(`${op} needs id`);
      [method, path, body, query] = [verb, template.replace("{id}", id), data, left];
    }
    if (idempotency_key) headers["Idempotency-Key"] = String(idempotency_key);
    const abroad = path.includes("://");
    if (op === "auth.login") {
      if (!this.auth) throw new NotSupported("nobody is named who could sign in");
      body = { email: this.auth.email, password: this.auth.password };
    } else if (this.token !== null && !abroad) {
      headers.Authorization = `Bearer ${this.token}`;
    }
    const words = new URLSearchParams(Object.entries(query).map(([key, value]) => [key, String(value)])).toString();
    const url = (abroad ? path : this.base + path) + (words && `?${words}`);
    return { method, url, headers, body: body ?? undefined };
  }
}
