// Reloads: what became of the last ones and why, and what another would change.

import { ComponentChildren, createRef } from "preact";
import { signal } from "@preact/signals";
import { Plan, PlanWorker, Reload, orderReload } from "./api";
import { canWrite, loadReloads, reloads, say } from "./state";
import { clock } from "./words";
import { Pill } from "./workers";

const planned = signal<Reload | null>(null);
const busy = signal(false);
const card = createRef<HTMLElement>(); // the keyboard stays in it when its buttons come and go

async function order(what: { plan?: boolean; apply?: string }): Promise<void> {
  if (busy.value) return;
  busy.value = true;
  try {
    const reload = await orderReload(what);
    planned.value = what.plan ? reload : null;
    keepKeyboard();
    say(what.plan ? "" : `reload ${reload.number}: ${reload.state}. ${reload.sentence}`);
    await loadReloads();
  } catch (error) {
    say(`reload: ${(error as Error).message}`);
  }
  busy.value = false;
}

const keepKeyboard = () =>
  requestAnimationFrame(() => card.current?.querySelector<HTMLElement>(".plan, .orders button")?.focus());

const STANDING: Partial<Record<Reload["state"], string>> = {
  failed: "The file is not what is in use: it does not load.",
  refused: "The file is not what is in use: it could not be put into use.",
  rolled_back: "The file is not what is in use: the last reload was taken back.",
};

// What an operator has to know before anything else: what runs is not what the file says.
export function Standing() {
  const last = reloads.value.find((reload) => reload.state !== "planned" && reload.state !== "waiting");
  const words = last && STANDING[last.state];
  return words ? <p class="standing" role="alert"><b>{words}</b> {last.sentence}</p> : null;
}

function Line({ sign, children }: { sign: "+" | "−" | "~" | "="; children: ComponentChildren }) {
  return <li data-sign={sign}>{children}</li>;
}

const worker = (one: PlanWorker) => <>worker <b>{one.worker}</b> of {one.pool}{one.address !== one.worker && ` (${one.address})`}</>;

function changes(plan: Plan): ComponentChildren[] {
  return [
    ...plan.listeners_opened.map((one) => <Line sign="+">listener <b>{one.address}</b></Line>),
    ...plan.listeners_closed.map((one) => <Line sign="−">listener <b>{one.address}</b></Line>),
    ...plan.workers_added.map((one) => <Line sign="+">{worker(one)}</Line>),
    ...plan.workers_removed.map((one) => <Line sign="−">{worker(one)}</Line>),
    ...plan.settings.map((one) => (
      <Line sign="~"><b>{one.name}</b>: {one.from || "–"} → {one.to || "–"}{one.start && <small> from the next start or upgrade on</small>}</Line>
    )),
    ...plan.differences.map((one) => (
      <Line sign={one.fate === "kept" ? "=" : "~"}>
        worker <b>{one.address}</b> of {one.pool}, {one.what} at run time: {one.fate === "kept" ? "goes on" : `${one.fate}, ${one.why}`}
      </Line>
    )),
  ];
}

function leave(): void {
  planned.value = null;
  keepKeyboard();
}

function PlanView({ reload }: { reload: Reload }) {
  const plan = reload.plan;
  if (!plan) return <p class="bad plan" tabIndex={-1}>{reload.sentence}</p>;
  const list = changes(plan);
  return (
    <div class="plan" tabIndex={-1}>
      {list.length === 0 ? <p class="quiet">Nothing: what is in use is what the file says.</p> : <ul class="signs">{list}</ul>}
      <p class="quiet">
        Kept: {plan.workers_kept} workers, {plan.listeners_kept} listeners. {plan.requests_at_removed} of{" "}
        {plan.requests_active} requests under way are at workers that go.
      </p>
      <p class="orders">
        <button aria-disabled={busy.value} onClick={() => void order({ apply: plan.id })}>Apply</button>
        <button onClick={leave}>Leave it</button>
      </p>
    </div>
  );
}

const PILL: Record<Reload["state"], string> = {
  waiting: "", planned: "", applied: "ok", failed: "down", refused: "down", rolled_back: "down",
};

export function Reloads() {
  const done = reloads.value.filter((reload) => reload.state !== "planned");
  return (
    <section class="card" aria-label="reloads" ref={card}>
      <h2>Reloads <span class="count">{done.length}</span></h2>
      {canWrite.value && !planned.value && (
        <p class="orders"><button aria-disabled={busy.value} onClick={() => void order({ plan: true })}>What would a reload change?</button></p>
      )}
      {canWrite.value && planned.value && <PlanView reload={planned.value} />}
      {done.length === 0 ? <p class="quiet">None since the start.</p> : (
        <div class="scroll" tabIndex={0} role="group" aria-label="list of reloads"><ol class="events reloads">
          {done.map((reload) => (
            <li key={reload.number} class={PILL[reload.state] === "down" ? "error" : ""}>
              <time dateTime={reload.time}>{clock(reload.time)}</time>
              <span><Pill kind={PILL[reload.state]}>{reload.state.replace("_", " ")}</Pill> <small>by {reload.cause}: {reload.sentence}</small></span>
            </li>
          ))}
        </ol></div>
      )}
    </section>
  );
}
