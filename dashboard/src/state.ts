// What the page knows, as signals; and who keeps it up to date.

import { computed, signal } from "@preact/signals";
import { announce } from "./announce";
import {
  Difference, Event, Exchange, Leaving, Refused, Reload, Sample, Status, Worker, follow, get, hasToken,
  takeTokenFromAddress,
} from "./api";

const SAMPLES = 300;
const EVENTS = 200;
const SPARK = 60;
const LOST_AFTER_MS = 4000;
const SAID_MS = 6000;
const POLL_MS = 1500;

export type Link = "connecting" | "live" | "lost" | "locked";

export const status = signal<Status | null>(null);
export const link = signal<Link>("connecting");
export const samples = signal<Sample[]>([]);
export const events = signal<Event[]>([]);
export const exchanges = signal<{ exchanges: Exchange[]; total: number }>({ exchanges: [], total: 0 });
export const config = signal<unknown>(null);
export const reloads = signal<Reload[]>([]);
export const differences = signal<{ differences: Difference[]; leaving: Leaving[] }>({ differences: [], leaving: [] });
export const said = signal("");
export const refusals = signal<Record<string, string>>({}); // by worker: what was refused of it, until it is asked again
export const sparks = signal<Record<string, number[]>>({});
export const canWrite = computed(() => status.value?.version.write === true); // a balancer that is away may be back soon

export const down = computed(() => workersOf(status.value).filter((worker) => worker.state === "down").length);

export const workersOf = (now: Status | null) => now?.pools.flatMap((pool) => pool.workers) ?? [];
export const workerKey = (worker: { pool: string; name: string }) => `${worker.pool}/${worker.name}`;

let heardAt = 0;
let aheadMs = 0; // how far the balancer's clock is ahead of the browser's
let saidTimer = 0;

export const serverNow = () => Date.now() + aheadMs;

export function say(text: string): void {
  clearTimeout(saidTimer);
  said.value = text;
  saidTimer = setTimeout(() => (said.value = ""), SAID_MS);
}

const downWords = () => (down.value === 0 ? "No worker is down" : down.value === 1 ? "1 worker is down" : `${down.value} workers are down`);

function noteStatus(now: Status): void {
  const downBefore = status.value ? down.value : 0;
  const second = Math.floor(Date.parse(now.time) / 1000);
  const before = samples.value[samples.value.length - 1];
  heardAt = Date.now();
  aheadMs = Date.parse(now.time) - heardAt;
  if (status.value && status.value.version.pid !== now.version.pid) void loadOnce(); // it was started again
  status.value = now;
  link.value = "live";
  if (down.value !== downBefore) announce(downWords());
  if (!before || second > before.time_s)
    samples.value = [...samples.value, { time_s: second, active: now.requests.active, ...now.rates }].slice(-SAMPLES);
  const drawn: Record<string, number[]> = {};
  for (const pool of now.pools)
    for (const worker of pool.workers)
      drawn[workerKey(worker)] = [...(sparks.value[workerKey(worker)] ?? []), worker.rates.requests_per_s].slice(-SPARK);
  sparks.value = drawn;
}

// What an order has made of a worker, before the stream tells it.
export function noteWorker(now: Worker): void {
  const before = status.value!;
  const isIt = (worker: Worker) => workerKey(worker) === workerKey(now);
  const pools = before.pools.map((pool) => ({ ...pool, workers: pool.workers.map((one) => (isIt(one) ? now : one)) }));
  status.value = { ...before, pools };
}

// What is loaded, and how it came to that.
export async function loadReloads(): Promise<void> {
  const [loaded, list] = await Promise.all([get<unknown>("/v1/config"), get<{ reloads: Reload[] }>("/v1/reloads")]);
  config.value = loaded;
  reloads.value = list.reloads;
}

export async function loadDifferences(): Promise<void> {
  differences.value = await get<typeof differences.value>("/v1/differences").catch(() => differences.value);
}

async function loadOnce(): Promise<void> {
  const [history, log] = await Promise.all([
    get<{ samples: Sample[] }>("/v1/history"),
    get<{ events: Event[] }>("/v1/events"),
    loadReloads(),
  ]);
  const first = history.samples[0]?.time_s ?? Infinity;
  samples.value = [...samples.value.filter((sample) => sample.time_s < first), ...history.samples].slice(-SAMPLES);
  events.value = log.events.reverse();
}

function noteEvent(event: Event): void {
  events.value = [event, ...events.value].slice(0, EVENTS);
  if (event.level !== "info") announce(`${event.message} ${/worker=\S+/.exec(event.facts)?.[0].slice(7) ?? ""}`);
  if (event.message.includes("configuration")) void loadReloads().catch(() => {});
}

// What the stream does not tell.
async function poll(): Promise<void> {
  if (document.visibilityState === "visible" && link.value === "live") {
    await loadDifferences();
    exchanges.value = await get<{ exchanges: Exchange[]; total: number }>("/v1/exchanges?limit=100").catch(
      () => exchanges.value,
    );
  }
  setTimeout(poll, POLL_MS);
}

// Follows the stream for ever; a balancer that is away is asked again soon.
export async function run(): Promise<void> {
  takeTokenFromAddress();
  setInterval(() => {
    if (link.value === "live" && Date.now() - heardAt > LOST_AFTER_MS) link.value = "lost";
  }, 1000);
  void poll();
  for (;;) {
    const abort = new AbortController();
    try {
      await loadOnce();
      await follow((kind, value) => {
        if (kind === "status") noteStatus(value as Status);
        else noteEvent(value as Event);
      }, abort.signal);
    } catch (error) {
      if (error instanceof Refused && error.status === 401) {
        link.value = "locked";
        tokenIsWrong.value = hasToken();
        await new Promise<void>((resolve) => (unlock.value = resolve));
      }
    }
    abort.abort();
    if (link.value === "live") link.value = "lost";
    await new Promise((resolve) => setTimeout(resolve, 700));
  }
}

export const tokenIsWrong = signal(false);
export const unlock = signal<(() => void) | null>(null);
