// got as it comes: `got(url)`.

import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";

import { answerFor, kindOfCode, library, versionOf } from "./plain.mjs";

const { default: got, HTTPError, MaxRedirectsError, ParseError, RequestError, TimeoutError } = await library("got");

const BY_EVENT = { connect: "timeout.connect", secureConnect: "timeout.connect", lookup: "timeout.connect",
                   socket: "timeout.read", read: "timeout.read", response: "timeout.read", send: "timeout.write",
                   request: "timeout.total" };  // prettier-ignore

/** Return what an error stands for; those that are not got's own are what it says of a caller's mistake. */
function explain(error) {
  if (error instanceof HTTPError) return { kind: "other", status: error.response.statusCode };
  if (error instanceof TimeoutError) return { kind: BY_EVENT[error.event] ?? "timeout.read" };
  if (error instanceof MaxRedirectsError) return { kind: "redirect", status: error.response?.statusCode };
  if (error instanceof ParseError) return { kind: "decode", status: error.response.statusCode };
  const kind = kindOfCode(error);
  if (error instanceof RequestError) {
    if (kind) return { kind, status: error.response?.statusCode };
    return { kind: error.code === "ERR_UNSUPPORTED_PROTOCOL" ? "bug" : "other" };
  }
  return kind === "bug" ? { kind } : null;
}

function open(settings, ca) {
  // Agents of its own, with the settings of Node's global ones, so that a case has its own connections.
  const usual = { keepAlive: true, scheduling: "lifo", timeout: 5000 };
  const agent = { http: new HttpAgent(usual), https: new HttpsAgent(usual) };
  const longest = settings.ms("retry", "max_delay", undefined);
  const client = got.extend({
    agent,
    ...(ca && { https: { certificateAuthority: ca } }),
    responseType: "json",
    timeout: { connect: settings.ms("timeouts", "connect", undefined), socket: settings.ms("timeouts", "read", undefined) },
    retry: {
      limit: settings.number("retry", "max_retries", 2),
      ...(longest !== undefined && { backoffLimit: longest, noise: 0 }),
      ...(longest !== undefined && { maxRetryAfter: settings.ms("retry", "retry_after_cap", undefined) }),
    },
  });
  return {
    explain,
    async send({ method, url, headers, body }, signal) {
      try {
        const { statusCode, body: data } = await client(url, { method, headers, json: body, signal });
        return { status: statusCode, data: data === "" ? null : data };
      } catch (error) {
        if (!(error instanceof HTTPError)) throw error;
        return { status: error.response.statusCode, wait: error.response.headers["retry-after"] };
      }
    },
    close() {
      for (const one of Object.values(agent)) one.destroy();
    },
  };
}

answerFor({
  name: "got",
  http: `got ${versionOf("got")}, Node ${process.version}`,
  capabilities: ["retry", "retry_after", "cancel", "error_kinds", "call_tag", "policy_override"],
  open,
});
