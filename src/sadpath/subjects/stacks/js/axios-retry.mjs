// axios under axios-retry, as its README begins: `axiosRetry(axios, { retries: 3 })`.

import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";

import { answerFor, kindOfCode, library, versionOf } from "./plain.mjs";

const { default: axios } = await library("axios");
const found = await library("axios-retry");
const axiosRetry = found.default.default ?? found.default;

const KINDS = {
  ECONNABORTED: "timeout.total",
  ETIMEDOUT: "timeout.total",
  ERR_FR_TOO_MANY_REDIRECTS: "redirect",
  ERR_INVALID_URL: "bug",
  ERR_BAD_OPTION: "bug",
  ERR_BAD_OPTION_VALUE: "bug",
  ERR_BAD_REQUEST: "bug", // its word for a URL of another scheme, too
};

/** Return what an error stands for: axios hands on what Node says of a method or URL that is none, as it comes. */
function explain(error) {
  if (!axios.isAxiosError(error)) return kindOfCode(error) === "bug" ? { kind: "bug" } : null;
  if (error.message === "stream has been aborted") return { kind: "truncated", status: error.response?.status };
  const kind = KINDS[error.code] ?? kindOfCode(error);
  if (kind) return { kind, status: error.response?.status };
  return { kind: "other" };
}

function open(settings, ca) {
  // Agents of its own, with the settings of Node's global ones, so that a case has its own connections.
  const usual = { keepAlive: true, scheduling: "lifo", timeout: 5000 };
  const agents = { httpAgent: new HttpAgent(usual), httpsAgent: new HttpsAgent({ ...usual, ...(ca && { ca }) }) };
  const timeout = settings.ms("timeouts", "total", 0);
  const client = axios.create({ ...agents, timeout, proxy: false });
  axiosRetry(client, { retries: settings.number("retry", "max_retries", 3) });
  return {
    explain,
    async send({ method, url, headers, body }, signal) {
      try {
        const { status, data } = await client.request({ method, url, headers, data: body, signal });
        return { status, data: data === "" ? null : data };
      } catch (error) {
        if (error.response && error.message.startsWith("Request failed with status code")) {
          return { status: error.response.status, wait: error.response.headers["retry-after"] };
        }
        throw error;
      }
    },
    close() {
      for (const agent of Object.values(agents)) agent.destroy();
    },
  };
}

answerFor({
  name: "axios-retry",
  http: `axios ${versionOf("axios")} with axios-retry ${versionOf("axios-retry")}, Node ${process.version}`,
  capabilities: ["retry", "retry_after", "cancel", "error_kinds", "call_tag", "policy_override"],
  open,
});
