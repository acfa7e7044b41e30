// What the page knows, as signals; and who keeps it up to date.

import { computed, signal } from "@preact/signals";
import { Event, Exchange, Refused, Reload, Sample, Status, follow, get, takeTokenFromAddress } from "./api";

const SAMPLES = 300;
const EVENTS = 200;
const SPARK = 60;
const LOST_AFTER_MS = 4000;

export type Link = "connecting" | "live" | "lost" | "locked";

export const status = signal<Status | null>(null);
export const link = signal<Link>("connecting");
export const samples = signal<Sample[]>([]);
export const events = signal<Event[]>([]);
export const exchanges = signal<{ exchanges: Exchange[]; total: number }>({ exchanges: [], total: 0 });
export const config = signal<unknown>(null);
export const reloads = signal<Reload[]>([]);
export const said = signal("");
export const sparks = signal<Record<string, number[]>>({});
export const canWrite = computed(() => status.value?.version.write === true && link.value === "live");

export const workerKey = (worker: { pool: string; name: string }) => `${worker.pool}/${worker.name}`;

let heardAt = 0;

function noteStatus(now: Status): void {
  const second = Math.floor(Date.parse(now.time) / 1000);
  const before = samples.value[samples.value.length - 1];
  heardAt = Date.now();
  if (status.value && status.value.version.pid !== now.version.pid) void loadOnce(); // it was started again
  status.value = now;
  link.value = "live";
  if (!before || second > before.time_s)
    samples.value = [...samples.value, { time_s: second, active: now.requests.active, ...now.rates }].slice(-SAMPLES);
  const drawn: Record<string, number[]> = {};
  for (const pool of now.pools)
    for (const worker of pool.workers)
      drawn[workerKey(worker)] = [...(sparks.value[workerKey(worker)] ?? []), worker.rates.requests_per_s].slice(-SPARK);
  sparks.value = drawn;
}

// What is loaded, and how it came to that.
export async function loadReloads(): Promise<void> {
  const [loaded, list] = await Promise.all([get<unknown>("/v1/config"), get<{ reloads: Reload[] }>("/v1/reloads")]);
  config.value = loaded;
  reloads.value = list.reloads;
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
  if (event.message.includes("configuration")) void loadReloads().catch(() => {});
}

async function pollExchanges(): Promise<void> {
  if (document.visibilityState === "visible" && link.value === "live")
    exchanges.value = await get<{ exchanges: Exchange[]; total: number }>("/v1/exchanges?limit=100").catch(
      () => exchanges.value,
    );
  setTimeout(pollExchanges, 1500);
}

// Follows the stream for ever; a balancer that is away is asked again soon.
export async function run(): Promise<void> {
  takeTokenFromAddress();
  setInterval(() => {
    if (link.value === "live" && Date.now() - heardAt > LOST_AFTER_MS) link.value = "lost";
  }, 1000);
  void pollExchanges();
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
        await new Promise<void>((resolve) => (unlock.value = resolve));
      }
    }
    abort.abort();
    if (link.value === "live") link.value = "lost";
    await new Promise((resolve) => setTimeout(resolve, 700));
  }
}

export const unlock = signal<(() => void) | null>(null);
