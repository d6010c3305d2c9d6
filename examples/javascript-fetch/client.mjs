// A small API client on fetch: the code under test. It knows nothing of sadpath.

const ONCE_MORE = new Set([502, 503, 504]);
const SAFE = new Set(["GET", "PUT", "DELETE"]);

/** What the caller is told: `kind` is one of `timeout`, `network`, `broken` and `status`. */
export class ApiError extends Error {
  constructor(kind, attempts, { status = null, cause } = {}) {
    super(status === null ? kind : `status ${status}`, { cause });
    Object.assign(this, { name: "ApiError", kind, attempts, status });
  }
}

/** Sends requests, and those that are safe to repeat once more after a failure. */
export class ShopClient {
  constructor(baseUrl, token = null) {
    Object.assign(this, { baseUrl, token });
  }

  /** Make a call; resolves to `{status, data, attempts}`, rejects with `ApiError`, or `AbortError` when cancelled. */
  async request(method, path, { data, headers = {}, signal } = {}) {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#send(attempt, method, path, { data, headers, signal });
      } catch (error) {
        if (signal?.aborted) throw new DOMException("the call was cancelled", "AbortError");
        const may = error.kind === "timeout" || error.kind === "network" || ONCE_MORE.has(error.status);
        if (attempt === 2 || !may || !SAFE.has(method)) throw error;
        await wait(200, signal);
      }
    }
  }

  async #send(attempt, method, path, { data, headers, signal }) {
    const patience = AbortSignal.timeout(2000);
    const abroad = /^https?:/.test(path);
    let status = null;
    try {
      const reply = await fetch(abroad ? path : this.baseUrl + path, {
        method,
        body: data === undefined ? undefined : JSON.stringify(data),
        headers: {
          "Content-Type": "application/json",
          ...(this.token === null || abroad ? {} : { Authorization: `Bearer ${this.token}` }),
          ...headers,
        },
        redirect: "manual",
        signal: signal ? AbortSignal.any([signal, patience]) : patience,
      });
      status = reply.status;
      const text = await reply.text();
      if (!reply.ok) throw new ApiError("status", attempt, { status });
      return { status, data: text === "" ? null : JSON.parse(text), attempts: attempt };
    } catch (error) {
      if (error instanceof ApiError) throw error;
      const kind = patience.aborted ? "timeout" : error instanceof SyntaxError ? "broken" : "network";
      throw new ApiError(kind, attempt, { cause: error });
    }
  }
}

function wait(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(new DOMException("the call was cancelled", "AbortError"));
    });
  });
}
