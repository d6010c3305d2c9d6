// Asks as a page or a program would, with the fetch that is there, and says what came of it. Chromium and Node both run it.
async function meet(spec) {
  const pause = (ms) => new Promise((done) => setTimeout(done, ms));
  async function ask() {
    const init = { method: spec.method, headers: spec.headers };
    if (spec.body !== null) init.body = spec.body + " ".repeat(spec.padding);
    if (spec.signal) init.signal = AbortSignal.timeout(spec.signal);
    const start = performance.now();
    try {
      const response = await fetch(spec.url, init);
      const bytes = await response.arrayBuffer();
      const took = performance.now() - start;
      const replaced = new TextDecoder().decode(bytes).includes("\ufffd");
      let json = null;
      try {
        await new Response(bytes).json();
      } catch (error) {
        json = error.name;
      }
      return { status: response.status, ok: response.ok, json, replaced, took };
    } catch (error) {
      const causes = [];
      for (let cause = error.cause; cause; cause = cause.cause) {
        causes.push(cause.code ?? (cause.name === "Error" ? cause.message : cause.name));
      }
      return { error: error.name, cause: causes[0] ?? null };
    }
  }
  const found = [];
  for (let turn = 0; turn < spec.times; turn += 1) {
    if (turn) await pause(spec.pause);
    found.push(await Promise.race([ask(), pause(spec.patience).then(() => ({ pending: true }))]));
  }
  return found;
}
