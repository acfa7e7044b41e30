// Pools with their workers: state and why, rates, probes, a time line of health, and what an operator may do.

import { Fragment } from "preact";
import { useMemo } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { Change, Mode, Pool, Probe, Worker, orderWorker } from "./api";
import { AddWorker, AddedMark, Below, asked } from "./changes";
import { canWrite, noteWorker, refusals, say, sparks, status, workerKey } from "./state";
import { ago, clock, decimal, number, span } from "./words";

const TIMELINE_MS = 10 * 60 * 1000;
const TIMELINE_STEP_MS = 10 * 1000;

function forgetRefusal(worker: Worker): void {
  const { [workerKey(worker)]: before, ...others } = refusals.value;
  if (before) refusals.value = others;
}

async function order(worker: Worker, what: { mode?: Mode; weight?: number }): Promise<void> {
  forgetRefusal(worker);
  try {
    const now = await orderWorker(worker, what);
    noteWorker(now);
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
          key={probe.time}
          class={probe.good ? "good" : "bad"}
          title={`${clock(probe.time)}: ${probe.good ? `${probe.status} in ${decimal(probe.took_ms)} ms` : probe.cause}`}
        />
      ))}
    </span>
  );
}

const THICK: Record<Stretch["state"], number> = { down: 10, up: 6, unknown: 2 }; // told apart without colors

type Stretch = { state: Worker["state"]; cause: string; from: number; to: number };

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

function Timeline({ worker, now }: { worker: Worker; now: number }) {
  const list = stretches(worker.changes, now);
  return (
    <svg class="timeline" viewBox="0 0 600 10" preserveAspectRatio="none" role="img"
      aria-label={`health in the last 10 minutes: ${list.map((s) => `${s.state} (${s.cause}) for ${span((s.to - s.from) / 1000)}`).join(", ")}`}>
      {list.map((s) => (
        <rect class={s.state} x={600 - ((now - s.from) * 600) / TIMELINE_MS} y={5 - THICK[s.state] / 2} height={THICK[s.state]}
          width={Math.max(2, ((s.to - s.from) * 600) / TIMELINE_MS)}>
          <title>{`${s.state} since ${clock(s.from)}: ${s.cause}`}</title>
        </rect>
      ))}
    </svg>
  );
}

const MODES: [Mode, string][] = [["ready", "Ready"], ["drain", "Drain"], ["disabled", "Disable"]];

// All modes stand there always: one that is pressed keeps its place and the keyboard, and a second Enter changes nothing.
function Modes({ worker }: { worker: Worker }) {
  return (
    <span class="modes">
      {MODES.map(([mode, text]) => (
        <button aria-label={`${text} ${worker.name}`} aria-pressed={mode === worker.mode}
          onClick={() => mode !== worker.mode && void order(worker, { mode })}>{text}</button>
      ))}
    </span>
  );
}

function Actions({ worker }: { worker: Worker }) {
  if (!canWrite.value) return null;
  return (
    <span class="actions">
      <Modes worker={worker} />
      <button data-remove={workerKey(worker)} onClick={() => askRemoval(worker)} aria-label={`Remove ${worker.name}`}
        aria-haspopup="dialog">Remove</button>
    </span>
  );
}

function Weight({ worker }: { worker: Worker }) {
  const draft = useSignal<string | null>(null); // what is being typed: an update does not write over it
  const changed = worker.weight !== worker.configured_weight;
  const title = changed ? `configured: ${worker.configured_weight}` : "as configured";
  if (!canWrite.value) return <span class={changed ? "changed" : ""} title={title}>{worker.weight}</span>;
  return (
    <input type="number" min="1" max="256" value={draft.value ?? String(worker.weight)} class={changed ? "changed" : ""}
      title={title} aria-label={`weight of ${worker.name}`}
      onInput={(event) => (draft.value = event.currentTarget.value)}
      onKeyDown={(event) => event.key === "Escape" && (draft.value = null)}
      onChange={(event) => void order(worker, { weight: Number(event.currentTarget.value) }).then(() => (draft.value = null))} />
  );
}

// Drawn again only where it would look otherwise: there may be hundreds.
function Health({ worker }: { worker: Worker }) {
  const now = Math.ceil(Date.parse(status.value!.time) / TIMELINE_STEP_MS) * TIMELINE_STEP_MS;
  const timeline = useMemo(() => <Timeline worker={worker} now={now} />, [now, worker.state, worker.changes[0]?.time]);
  const probes = useMemo(() => <Probes probes={worker.last_probes} />, [worker.last_probes[0]?.time]);
  return <div class="health">{timeline}{probes}</div>;
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
        <Pill kind={worker.state} title={worker.since && `since ${clock(worker.since)}`}>{worker.state}</Pill>
        {worker.mode !== "ready" && <Pill kind="mode">{worker.mode}</Pill>}
        <small>{worker.state === "down" ? `${worker.cause}, ` : ""}<span class="ago">{ago(worker.since)}</span></small>
        {worker.detail && <small>{worker.detail}</small>}
      </td>
      <td data-label="Health, 10 min"><Health worker={worker} /></td>
      <td data-label="Rate" class="num"><Spark values={sparks.value[workerKey(worker)] ?? []} />{decimal(worker.rates.requests_per_s)}<small>/s</small></td>
      <td data-label="p50 / p99, ms" class="num">{decimal(worker.rates.p50_ms)} / {decimal(worker.rates.p99_ms)}</td>
      <td data-label="Active" class="num">{number(worker.active)}</td>
      <td data-label="Requests" class="num">{number(worker.requests)}{worker.broken > 0 && <small class={failing ? "broken bad" : "broken"}>{number(worker.broken)} broken</small>}</td>
      <td data-label="Weight" class="num"><Weight worker={worker} /></td>
      {canWrite.value && <td class="act"><Actions worker={worker} /></td>}
    </tr>
  );
}

export function PoolCard({ pool, workers }: { pool: Pool; workers: Worker[] }) {
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
            <th scope="col" class="num">p50 / p99, ms</th><th scope="col" class="num">Active</th><th scope="col" class="num">Requests</th>
            <th scope="col" class="num">Weight</th>{canWrite.value && <th scope="col"><span class="hidden">Actions</span></th>}
          </tr>
        </thead>
        <tbody>
          {workers.map((worker) => (
            <Fragment key={worker.name}><Row worker={worker} /><Below worker={worker} columns={canWrite.value ? 9 : 8} /></Fragment>
          ))}
        </tbody>
      </table>
      {canWrite.value && <AddWorker pool={pool.name} />}
    </section>
  );
}
