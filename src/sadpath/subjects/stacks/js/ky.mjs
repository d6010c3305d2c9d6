// ky as it comes, on Node's own fetch: `ky(url).json()`.

import { answerFor, causes, kindOfCode, library, versionOf } from "./plain.mjs";

const { default: ky, HTTPError, TimeoutError } = await library("ky");

// What Node's fetch sends by: an agent of its own for each case can only be made of the same class, which is not exported.
await fetch("data:,");
const { constructor: Agent } = globalThis[Symbol.for("undici.globalDispatcher.1")];

/** Return what an error stands for: ky's own, or what fetch has thrown, which ky hands on. */
function explain(error) {
  if (error instanceof TimeoutError) return { kind: "timeout.total" };
  if (error instanceof SyntaxError) return { kind: "decode" };
  if (!(error instanceof TypeError)) return null;
  const kind = kindOfCode(error);
  if (error.message === "terminated" && ["closed", "reset", null].includes(kind)) return { kind: "truncated" };
  if (kind) return { kind };
  const words = causes(error).map(({ message }) => message);
  if (words.includes("redirect count exceeded")) return { kind: "redirect" };
  if (words.includes("unknown scheme")) return { kind: "bug" };
  // What fetch says of a caller's mistake has neither a code nor a cause.
  return { kind: error.cause === undefined ? "bug" : "other" };
}

function open(settings, ca) {
  const dispatcher = new Agent(ca ? { connect: { ca } } : {});
  const first = settings.ms("retry", "first_delay", 300);
  const client = ky.create({
    dispatcher,
    timeout: settings.ms("timeouts", "total", 10_000),
    retry: {
      limit: settings.number("retry", "max_retries", 2),
      delay: (attempt) => first * 2 ** (attempt - 1),
      maxRetryAfter: settings.ms("retry", "retry_after_cap", undefined),
    },
  });
  return {
    explain,
    async send({ method, url, headers, body }, signal) {
      try {
        const answer = await client(url, { method, headers, json: body, signal });
        const text = await answer.text();
        return { status: answer.status, data: text === "" ? null : JSON.parse(text) };
      } catch (error) {
        if (!(error instanceof HTTPError)) throw error;
        return { status: error.response.status, wait: error.response.headers.get("retry-after") };
      }
    },
    close: () => dispatcher.destroy(),
  };
}

answerFor({
  name: "ky",
  http: `ky ${versionOf("ky")}, fetch of Node ${process.version}`,
  capabilities: ["retry", "retry_after", "cancel", "error_kinds", "call_tag", "policy_override"],
  open,
});
