// The administration API as the dashboard uses it: types of its answers (docs/openapi.json), questions, and the stream.
// The token lives in this tab only; it may come in the address behind #token=, and leaves the address at once.

export type Rates = { requests_per_s: number; failures_per_s: number; p50_ms: number; p99_ms: number };
export type Probe = { time: string; good: boolean; status: number; took_ms: number; cause: string };
export type Change = { time: string; state: "up" | "down"; cause: string };
export type Mode = "ready" | "drain" | "disabled";
export type Worker = {
  pool: string; name: string; id: string; address: string; state: "up" | "down" | "unknown"; since: string; cause: string;
  detail: string; mode: Mode; idle_close_s: number; taking: boolean; weight: number; configured_weight: number;
  active: number; requests: number; broken: number; answers: Record<string, number>; rates: Rates; probes: number; probe_failures: number;
  last_probes: Probe[]; changes: Change[];
};
export type Pool = {
  name: string; balance: string; health: "ok" | "degraded" | "down"; up: number; taking: number; rates: Rates;
  workers: Worker[];
};
export type Status = {
  health: "ok" | "degraded" | "down"; time: string; stopping: boolean;
  version: { version: string; started: string; uptime_s: number; pid: number; threads: number; write: boolean };
  requests: { total: number; ok: number; failed: number; aborted: number; active: number };
  rates: Rates;
  connections: { clients: number; workers: number; workers_idle: number; accepted: number; refused: number };
  reasons: Record<string, number>; retries: Record<string, number>; pools: Pool[];
};
export type Event = { number: number; time: string; level: string; message: string; facts: string };
export type Sample = {
  time_s: number; requests_per_s: number; failures_per_s: number; p50_ms: number; p99_ms: number; active: number;
};
export type Exchange = {
  thread: number; id: string; client: string; method: string; host: string; target: string; pool: string;
  worker: string; step: string; age_ms: number; tries: number; status: number; bytes_in: number; bytes_out: number;
};
export type Explanation = {
  answer: string; status: number; reason: string; route: { number: number; host: string; path: string }; pool: string;
  worker: string; workers: { name: string; chosen: boolean; why: string }[];
};

export type PlanWorker = { pool: string; worker: string; address: string };
export type Plan = {
  id: string; workers_added: PlanWorker[]; workers_removed: PlanWorker[]; workers_kept: number;
  listeners_opened: { address: string }[]; listeners_closed: { address: string }[]; listeners_kept: number;
  settings: { name: string; from: string; to: string; start: boolean }[];
  differences: { pool: string; address: string; what: string; fate: "kept" | "ends" | "dropped"; why: string }[];
  requests_at_removed: number; requests_active: number; clients: number;
};
export type Reload = {
  number: number; time: string; cause: "api" | "signal" | "watchdog";
  state: "waiting" | "planned" | "applied" | "failed" | "refused" | "rolled_back"; sentence: string; plan?: Plan;
};

export type Difference = {
  pool: string; worker: string; address: string; what: "added" | "removed" | "changed"; mode: Mode; weight: number;
  keep: boolean; since: string; by: string;
};
export type Leaving = { pool: string; worker: string; address: string; active: number };
export type NewWorker = { address: string; name?: string; weight?: number; keep: boolean };

const KEY = "ballast-token";

export class Refused extends Error {
  constructor(readonly status: number, readonly reason: string, sentence: string) {
    super(sentence);
  }
}

export function takeTokenFromAddress(): void {
  const match = /[#&]token=([^&]+)/.exec(location.hash);
  if (!match) return;
  sessionStorage.setItem(KEY, decodeURIComponent(match[1]));
  history.replaceState(null, "", location.pathname);
}

export const hasToken = () => sessionStorage.getItem(KEY) !== null;

export function setToken(token: string): void {
  sessionStorage.setItem(KEY, token);
}

function headers(): Record<string, string> {
  const token = sessionStorage.getItem(KEY);
  return token ? { Authorization: `Bearer ${token}` } : {};
}

async function judged(answer: Response): Promise<Response> {
  if (answer.ok) return answer;
  const told = await answer.json().catch(() => ({}));
  throw new Refused(answer.status, told.reason ?? "", told.sentence ?? `status ${answer.status}`);
}

const ANSWER_MS = 10_000; // a balancer that hangs holds up nobody for longer

// The whole answer. Without one in time an order is over too, though the balancer may still carry it out.
async function answered<T>(path: string, init: RequestInit): Promise<T> {
  try {
    const answer = await fetch(path, { ...init, headers: headers(), signal: AbortSignal.timeout(ANSWER_MS) });
    return await (await judged(answer)).json();
  } catch (error) {
    if (error instanceof Refused) throw error;
    if ((error as Error).name !== "TimeoutError") throw new Error("The balancer gives no answer.");
    throw new Error(`The balancer gives no answer for ${ANSWER_MS / 1000} s; what was ordered may still be done.`);
  }
}

export const get = <T>(path: string) => answered<T>(path, {});

const ask = <T>(method: string, path: string, order?: unknown) =>
  answered<T>(path, { method, body: order === undefined ? undefined : JSON.stringify(order) });

const workersOf = (pool: string) => `/v1/pools/${encodeURIComponent(pool)}/workers`;
const pathOf = (worker: Worker) => `${workersOf(worker.pool)}/${encodeURIComponent(worker.name)}`;

export const orderWorker = (worker: Worker, order: { mode?: Mode; weight?: number }) =>
  ask<Worker>("PATCH", pathOf(worker), order);
export const addWorker = (pool: string, worker: NewWorker) => ask<Worker>("POST", workersOf(pool), worker);
export const removeWorker = (worker: Worker, keep: boolean) =>
  ask<Worker>("DELETE", `${pathOf(worker)}${keep ? "?keep=true" : ""}`);

// Resolves when it is over.
export async function orderReload(order: { plan?: boolean; apply?: string }): Promise<Reload> {
  let reload = await ask<Reload>("POST", "/v1/reload", order);
  while (reload.state === "waiting") {
    await new Promise((resolve) => setTimeout(resolve, 200));
    reload = await get<Reload>(`/v1/reloads/${reload.number}`);
  }
  return reload;
}

// Server-sent events by fetch, because EventSource cannot carry a token. Resolves when the stream ends.
export async function follow(tell: (kind: string, value: unknown) => void, signal: AbortSignal): Promise<void> {
  const answer = await judged(await fetch("/v1/stream", { headers: headers(), signal, cache: "no-store" }));
  const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    rest += value;
    const parts = rest.split("\n\n");
    rest = parts.pop()!;
    for (const part of parts) {
      const match = /^event: (.*)\ndata: (.*)$/s.exec(part);
      if (match) tell(match[1], JSON.parse(match[2]));
    }
  }
}
