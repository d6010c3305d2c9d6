/**
 * Lets sadpath drive your JavaScript client: the kit for a driver over stdio, in one file without dependencies.
 *
 * Copy it beside your driver. A driver is a function that makes your client, and a function for each operation:
 *
 *     import { Failure, serve } from "./sadpath_driver.mjs";
 *
 *     serve({
 *       name: "my-app",
 *       capabilities: ["retry", "cancel"],
 *       create: (aCase) => new MyClient(aCase.base_url, aCase.auth?.access_token),
 *       operations: {
 *         "users.get": (client, args, call) => client.getUser(args.id, { signal: call.signal }),
 *       },
 *     });
 *
 * An operation returns what your caller gets, as JSON (or a `Value`). Say how a call failed with `Failure`; whatever
 * else is thrown counts as an exception that escaped your client. A call is cancelled by its `signal`; throw an
 * `AbortError` then, as fetch does. What you print goes to the log, never into the protocol.
 *
 * The client that `create` returns may also have these, each of them optional: `close()`, `settle()` (wait for background
 * work), `offline(hint)`, `advance(seconds)`, `resume(auth)` (replace the session), and the fields `signed_in`, `logouts`,
 * `background_errors` and `log`.
 *
 * Node 20 or newer. The protocol: docs/drivers.md of sadpath.
 */

import { writeSync } from "node:fs";
import { createInterface } from "node:readline";

/** Thrown by `create` or an operation for what your client cannot do: the case is then `unsupported`. */
export class NotSupported extends Error {}

/** Thrown by an operation when the call failed and your caller is told so. */
export class Failure extends Error {
  /**
   * @param {string} kind `timeout.read`, `refused`, `reset`, `truncated`, `decode`, `unauthorized`, `server`, …
   *   (docs/drivers.md has them all); `other` where your client does not say.
   * @param {string} message what your caller reads.
   * @param {object} [more] `status`, `retry_after_ms`, `effect_unknown`, `native` (the name of your client's own error;
   *   default: that of `cause`), `cause`, `attempts` (how many requests the call has sent), `value` (what your caller got
   *   all the same, such as the pages before one that failed).
   */
  constructor(kind = "other", message = "", more = {}) {
    super(message || kind, { cause: more.cause });
    this.report = {
      kind,
      message,
      status: more.status ?? null,
      retry_after_ms: more.retry_after_ms ?? null,
      effect_unknown: more.effect_unknown ?? false,
      native: more.native ?? more.cause?.name ?? null,
    };
    this.attempts = more.attempts ?? null;
    this.value = more.value;
  }
}

/** Returned by an operation that knows more than the value: `status`, `source`, `stale`, `age_ms`, `attempts`. */
export class Value {
  constructor(json, more = {}) {
    const { status = null, ...rest } = more;
    this.value = { status, json: json ?? null };
    this.more = rest;
  }
}

const lives = new Map();
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Write a message whole, also where the pipe takes only a part of it at a time. */
function say(message) {
  const line = Buffer.from(`@sadpath ${text(message)}\n`);
  for (let sent = 0; sent < line.length; ) {
    try {
      sent += writeSync(1, line, sent);
    } catch (error) {
      if (error.code !== "EAGAIN") throw error;
    }
  }
}

/** Return a message as JSON; without its value, where that is no JSON or nested too deep. */
function text(message) {
  try {
    return JSON.stringify(message);
  } catch (error) {
    console.error("what the driver has to say is no JSON:", error);
    const bare = message.t === "outcome" ? { value: null } : { log: "", background_errors: [] };
    return JSON.stringify({ ...message, ...bare });
  }
}

/**
 * Answer sadpath until it says bye, then end the process.
 *
 * @param {object} driver `name` of your client, `create(aCase)`, `operations`; optional: `version`, `http` (your HTTP
 *   library, with its version), `capabilities`, `max_parallel` (how many cases at a time).
 */
export function serve({ name, create, operations, version = "", http = "", capabilities = [], max_parallel = 1 }) {
  for (const method of ["log", "info", "debug", "warn", "error"]) {
    console[method] = (...words) => process.stderr.write(`${words.map(shown).join(" ")}\n`);
  }
  process.stdout.write = process.stderr.write.bind(process.stderr);
  process.on("unhandledRejection", (error) => console.error("not handled:", error));
  const hello = {
    t: "hello",
    protocol: 1,
    client: { name, version, language: "javascript", http },
    capabilities,
    operations: Object.keys(operations),
    max_parallel,
  };
  const lines = createInterface({ input: process.stdin, crlfDelay: Infinity });
  lines.on("line", (line) => {
    const message = JSON.parse(line);
    if (message.t === "hello") say(hello);
    else if (message.t === "ping") say({ t: "pong" });
    else if (message.t === "reset") reset(message.id);
    else if (message.t === "run") answer(message, create, operations);
    else if (message.t === "bye") process.exit(0);
  });
  lines.on("close", () => process.exit(0));
}

const shown = (word) => (typeof word === "string" ? word : (word?.stack ?? JSON.stringify(word)));

async function reset(id) {
  for (const name of id === undefined ? [...lives.keys()] : [id]) {
    const life = lives.get(name);
    lives.delete(name);
    life?.over.abort();
    try {
      await life?.client?.close?.();
    } catch (error) {
      console.error(error);
    }
  }
  say({ t: "ok" });
}

async function answer(run, create, operations) {
  let end;
  try {
    end = await play(run, create, operations);
  } catch (error) {
    if (!(error instanceof NotSupported)) console.error(error);
    end =
      error instanceof NotSupported
        ? { t: "unsupported", why: error.message }
        : { t: "driver_error", message: `${error?.name}: ${error?.message}` };
  }
  say({ id: run.id, ...end });
}

async function play(run, create, operations) {
  const begun = performance.now();
  for (const call of run.calls.flatMap((step) => step.parallel ?? [step])) {
    if (call.op !== undefined && !Object.hasOwn(operations, call.op)) {
      throw new NotSupported(`there is no operation ${call.op}`);
    }
  }
  const life = await lifeFor(run, create);
  const ms = () => Math.round((performance.now() - begun) * 1000) / 1000;
  const make = (call, i) => oneCall({ run, life, call, i, ms, operation: operations[call.op] });
  for (const step of run.calls) {
    if (step.parallel) {
      await Promise.all(step.parallel.flatMap((call) => times(call).map((i) => make(call, i))));
    } else if (step.advance_ms !== undefined) {
      if (life.client.advance) await life.client.advance(step.advance_ms / 1000);
      else await pause(step.advance_ms);
    } else if (step.offline !== undefined) {
      await life.client.offline?.(step.offline);
    } else {
      for (const i of times(step)) await make(step, i);
    }
  }
  await Promise.race([life.client.settle?.(), pause(Math.max(200, (run.deadline_ms - ms()) / 2))]);
  const told = ["signed_in", "logouts", "background_errors", "log"].filter((name) => life.client[name] !== undefined);
  return { t: "result", ...Object.fromEntries(told.map((name) => [name, life.client[name]])) };
}

const times = (call) => [...Array(call.times ?? 1).keys()];

async function lifeFor(run, create) {
  if (!run.continues) {
    const life = { over: new AbortController(), client: null };
    lives.set(run.id, life);
    life.client = (await create(run)) ?? {};
    return life;
  }
  const life = lives.get(run.id);
  if (run.auth) {
    if (!life.client.resume) throw new NotSupported("the session of a client that lives cannot be replaced");
    await life.client.resume(run.auth);
  }
  return life;
}

async function oneCall({ run, life, call, i, ms, operation }) {
  if (call.start_after_ms) await pause(call.start_after_ms);
  const cancel = new AbortController();
  const outcome = { t: "outcome", id: run.id, call: call.call, i, started_ms: ms(), cancelled_ms: null };
  const give_up = () => {
    outcome.cancelled_ms = ms();
    cancel.abort();
  };
  const wanted = call.cancel_after_ms ?? null;
  const timer = wanted ? setTimeout(give_up, wanted) : null;
  if (wanted === 0) give_up();
  const asked = {
    name: call.call,
    i,
    op: call.op,
    pages: call.pages ?? false,
    replayable: call.replayable ?? true,
    headers: { "X-Sadpath-Call": `${call.call}/${i}` },
    signal: AbortSignal.any([cancel.signal, life.over.signal]),
  };
  let said;
  try {
    const found = await operation(life.client, call.args ?? {}, asked);
    const known = found instanceof Value ? found : new Value(found);
    said = { outcome: "ok", value: known.value, ...known.more };
  } catch (error) {
    if (error instanceof NotSupported) throw error;
    said = failed(error, outcome.cancelled_ms !== null);
  } finally {
    clearTimeout(timer);
  }
  if (!life.over.signal.aborted) say({ ...outcome, ended_ms: ms(), ...said });
}

function failed(error, cancelled) {
  if (cancelled && error?.name === "AbortError") return { outcome: "cancelled" };
  if (error instanceof Failure) {
    const value = error.value === undefined ? null : { status: null, json: error.value };
    return { outcome: "error", error: error.report, value, attempts: error.attempts };
  }
  const native = error?.name ?? typeof error;
  return { outcome: "error", error: { kind: "other", native, message: String(error?.message ?? error) }, escaped: true };
}
