// Pools with their workers: state and why, rates, probes, a time line of health, and what an operator may do.

import { Fragment } from "preact";
import { Change, Mode, Pool, Probe, Worker, orderWorker } from "./api";
import { AddWorker, AddedMark, Below, asked } from "./changes";
import { canWrite, refusals, say, sparks, status, workerKey } from "./state";

const TIMELINE_MS = 10 * 60 * 1000;

export const number = (value: number) =>
  value >= 1e6 ? `${(value / 1e6).toFixed(1)} M` : value >= 1e4 ? `${(value / 1e3).toFixed(1)} k` : value.toLocaleString("en");
export const decimal = (value: number) => (value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2));

export function span(seconds: number): string {
  const units: [number, string][] = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const at = Math.max(0, units.findIndex(([size]) => seconds >= size) % units.length);
  const from = seconds < 1 ? 3 : at;
  const rest = from < 3 ? Math.floor((seconds % units[from][0]) / units[from + 1][0]) : 0;
  return `${Math.floor(seconds / units[from][0])} ${units[from][1]}${rest ? ` ${rest} ${units[from + 1][1]}` : ""}`;
}

export const clock = (time: string | number) => new Date(time).toLocaleTimeString([], { hourCycle: "h23" });
const ago = (time: string) => (time ? `${span(Math.max(0, (Date.now() - Date.parse(time)) / 1000))} ago` : "");

function forgetRefusal(worker: Worker): void {
  const { [workerKey(worker)]: before, ...others } = refusals.value;
  if (before) refusals.value = others;
}

async function order(worker: Worker, what: { mode?: Mode; weight?: number }): Promise<void> {
  forgetRefusal(worker);
  try {
    const now = await orderWorker(worker, what);
    say(`${now.name}: ${now.mode}, weight ${now.weight}`);
  } catch (error) {
    refusals.value = { ...refusals.value, [workerKey(worker)]: (error as Error).message };
  }
}

function askRemoval(worker: Worker): void {
  forgetRefusal(worker);
  asked.value = workerKey(worker);
}

const SPARK_LEAST = 8;

export function Pill({ kind, children, title }: { kind: string; children: string; title?: string }) {
  return (
    <span class={`pill ${kind}`} title={title}>
      {children}
    </span>
  );
}

/* From a few seconds on: less of it looks like dirt. */
function Spark({ values }: { values: number[] }) {
  const most = Math.max(1, ...values);
  const points = values.map((value, i) => `${(72 - ((values.length - 1 - i) * 72) / 59).toFixed(1)},${(22 - (20 * value) / most).toFixed(1)}`).join(" ");
  return (
    <svg class="spark" viewBox="0 0 72 24" aria-hidden="true">
      {values.length < SPARK_LEAST ? null : <polyline points={points} />}
    </svg>
  );
}

function Probes({ probes }: { probes: Probe[] }) {
  return (
    <span class="probes" role="img" aria-label={`last probes, newest last: ${[...probes].reverse().map((p) => (p.good ? "good" : p.cause)).join(", ")}`}>
      {[...probes].reverse().map((probe) => (
        <i
          class={probe.good ? "good" : "bad"}
          title={`${clock(probe.time)}: ${probe.good ? `${probe.status} in ${decimal(probe.took_ms)} ms` : probe.cause}`}
        />
      ))}
    </span>
  );
}

type Stretch = { state: string; cause: string; from: number; to: number };

// From the changes (newest first) to stretches of the last ten minutes, oldest first.
function stretches(changes: Change[], now: number): Stretch[] {
  const begin = now - TIMELINE_MS;
  const list: Stretch[] = [];
  let to = now;
  for (const change of changes) {
    const from = Math.max(Date.parse(change.time), begin);
    if (to > from) list.unshift({ state: change.state, cause: change.cause, from, to });
    to = from;
    if (from === begin) return list;
  }
  if (to > begin) list.unshift({ state: "unknown", cause: "not known", from: begin, to });
  return list;
}

function Timeline({ worker }: { worker: Worker }) {
  const now = Date.parse(status.value?.time ?? "") || Date.now();
  const list = stretches(worker.changes, now);
  return (
    <svg class="timeline" viewBox="0 0 600 10" preserveAspectRatio="none" role="img"
      aria-label={`health in the last 10 minutes: ${list.map((s) => `${s.state} (${s.cause}) for ${span((s.to - s.from) / 1000)}`).join(", ")}`}>
      {list.map((s) => (
        <rect class={s.state} x={600 - ((now - s.from) * 600) / TIMELINE_MS} y="0" height="10"
          width={Math.max(2, ((s.to - s.from) * 600) / TIMELINE_MS)}>
          <title>{`${s.state} since ${clock(s.from)}: ${s.cause}`}</title>
        </rect>
      ))}
    </svg>
  );
}

function Actions({ worker }: { worker: Worker }) {
  if (!canWrite.value) return null;
  const others: [Mode, string][] = [["ready", "Ready"], ["drain", "Drain"], ["disabled", "Disable"]];
  return (
    <span class="actions">
      {others
        .filter(([mode]) => mode !== worker.mode)
        .map(([mode, text]) => (
          <button onClick={() => void order(worker, { mode })} aria-label={`${text} ${worker.name}`}>
            {text}
          </button>
        ))}
      <button data-remove={workerKey(worker)} onClick={() => askRemoval(worker)} aria-label={`Remove ${worker.name}`}
        aria-expanded={asked.value === workerKey(worker)}>Remove</button>
    </span>
  );
}

// A weight that was refused does not stay in the field.
async function changeWeight(worker: Worker, field: HTMLInputElement): Promise<void> {
  await order(worker, { weight: Number(field.value) });
  if (refusals.value[workerKey(worker)]) field.value = String(worker.weight);
}

function Weight({ worker }: { worker: Worker }) {
  const changed = worker.weight !== worker.configured_weight;
  const title = changed ? `configured: ${worker.configured_weight}` : "as configured";
  if (!canWrite.value) return <span class={changed ? "changed" : ""} title={title}>{worker.weight}</span>;
  return (
    <input type="number" min="1" max="256" value={worker.weight} class={changed ? "changed" : ""} title={title}
      aria-label={`weight of ${worker.name}`}
      onChange={(event) => void changeWeight(worker, event.currentTarget)} />
  );
}

function Row({ worker }: { worker: Worker }) {
  const failing = worker.rates.failures_per_s > 0;
  return (
    <tr data-worker={worker.name} class={worker.taking ? "" : "idle"}>
      <th scope="row">
        <b>{worker.name}</b>
        {worker.address !== worker.name && <small>{worker.address}</small>}
        <AddedMark worker={worker} />
      </th>
      <td data-label="State">
        <Pill kind={worker.state} title={worker.since && `since ${new Date(worker.since).toLocaleString()}`}>{worker.state}</Pill>
        {worker.mode !== "ready" && <Pill kind="mode">{worker.mode}</Pill>}
        <small>{worker.state === "down" ? `${worker.cause}, ` : ""}{ago(worker.since)}</small>
      </td>
      <td data-label="Health, 10 min" class="wide"><Timeline worker={worker} /><Probes probes={worker.last_probes} /></td>
      <td data-label="Rate" class="num"><Spark values={sparks.value[workerKey(worker)] ?? []} />{decimal(worker.rates.requests_per_s)}<small>/s</small></td>
      <td data-label="p50 / p99" class="num">{decimal(worker.rates.p50_ms)} / {decimal(worker.rates.p99_ms)}<small> ms</small></td>
      <td data-label="Active" class="num">{worker.active}</td>
      <td data-label="Requests" class="num">{number(worker.requests)}{worker.broken > 0 && <small class={failing ? "broken bad" : "broken"}>{number(worker.broken)} broken</small>}</td>
      <td data-label="Weight" class="num"><Weight worker={worker} /></td>
      {canWrite.value && <td class="act"><Actions worker={worker} /></td>}
    </tr>
  );
}

export function PoolCard({ pool }: { pool: Pool }) {
  return (
    <section class="card pool" aria-label={`pool ${pool.name}`}>
      <header>
        <h2>{pool.name}</h2>
        <Pill kind={pool.health}>{pool.health}</Pill>
        <span class="quiet">{pool.taking} of {pool.workers.length} take requests · {pool.balance}</span>
        <span class="quiet right">{decimal(pool.rates.requests_per_s)}/s · p50 {decimal(pool.rates.p50_ms)} ms · p99 {decimal(pool.rates.p99_ms)} ms</span>
      </header>
      <table>
        <thead>
          <tr>
            <th scope="col">Worker</th><th scope="col">State</th><th scope="col">Health, 10 min</th><th scope="col" class="num">Rate</th>
            <th scope="col" class="num">p50 / p99</th><th scope="col" class="num">Active</th><th scope="col" class="num">Requests</th>
            <th scope="col" class="num">Weight</th>{canWrite.value && <th scope="col"><span class="hidden">Actions</span></th>}
          </tr>
        </thead>
        <tbody>
          {pool.workers.map((worker) => (
            <Fragment key={worker.name}><Row worker={worker} /><Below worker={worker} columns={canWrite.value ? 9 : 8} /></Fragment>
          ))}
        </tbody>
      </table>
      {canWrite.value && <AddWorker pool={pool.name} />}
    </section>
  );
}
