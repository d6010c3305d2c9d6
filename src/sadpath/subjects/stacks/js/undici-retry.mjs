// undici's `request` by way of its RetryAgent, as that one's page shows it: `new RetryAgent(new Agent())`.

import { answerFor, kindOfCode, library, versionOf } from "./plain.mjs";

const { Agent, RetryAgent, errors, request } = await library("undici");

/** Return what an error stands for. */
function explain(error) {
  if (error instanceof SyntaxError) return { kind: "decode" };
  const kind = kindOfCode(error);
  if (error instanceof errors.HTTPParserError) return { kind: "protocol" };
  if (error instanceof errors.RequestRetryError) return { kind: "truncated", status: error.statusCode };
  if (kind) return { kind };
  if (error instanceof TypeError) return { kind: "bug" };
  return error instanceof errors.UndiciError ? { kind: "other" } : null;
}

function open(settings, ca) {
  const read = settings.ms("timeouts", "read", undefined);
  const below = new Agent({
    headersTimeout: read,
    bodyTimeout: read,
    connect: { timeout: settings.ms("timeouts", "connect", 10_000), ...(ca && { ca }) },
  });
  const dispatcher = new RetryAgent(below, {
    maxRetries: settings.number("retry", "max_retries", undefined),
    minTimeout: settings.ms("retry", "first_delay", undefined),
    maxTimeout: settings.ms("retry", "max_delay", undefined),
  });
  return {
    explain,
    async send({ method, url, headers, body }, signal) {
      const sent = body === undefined ? headers : { "Content-Type": "application/json", ...headers };
      const asked = { dispatcher, method, headers: sent, body: body === undefined ? null : JSON.stringify(body), signal };
      try {
        const answer = await request(url, asked);
        const text = await answer.body.text();
        const [status, wait] = [answer.statusCode, answer.headers["retry-after"]];
        return { status, wait, data: status < 300 && text !== "" ? JSON.parse(text) : null };
      } catch (error) {
        // The last answer of several, of a status that is tried again.
        const last = error instanceof errors.RequestRetryError && error.message === "Request failed";
        if (last && error.statusCode >= 300) return { status: error.statusCode, wait: error.headers?.["retry-after"] };
        throw error;
      }
    },
    close: () => below.destroy(),
  };
}

answerFor({
  name: "undici-retry",
  http: `undici ${versionOf("undici")}, Node ${process.version}`,
  capabilities: ["retry", "retry_after", "cancel", "error_kinds", "call_tag", "policy_override"],
  open,
});
