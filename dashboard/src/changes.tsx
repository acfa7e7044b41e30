// Workers that come and go at run time: the form that adds one, the question before one is removed, and the list of what
// is not as the file says. What the server refuses stands beside the control that asked.

import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { signal, useSignal } from "@preact/signals";
import { Difference, Leaving, Worker, addWorker, removeWorker } from "./api";
import { differences, loadDifferences, refusals, say, status, workerKey, workersOf } from "./state";
import { clock, count } from "./words";

// A button that is busy is not `disabled`: that would take the keyboard from it.

// At most one question and one form are open: the page has one keyboard.
export const asked = signal(""); // the key of the worker that is to be removed
const adding = signal(""); // the pool that gets another

const addButtonOf = (pool: string) => document.querySelector<HTMLElement>(`[data-add="${CSS.escape(pool)}"]`);
const requests = (many: number) => count(many, "request");

function Refusal({ id, children }: { id: string; children: string }) {
  return children ? <p class="bad" role="alert" id={id}>{children}</p> : null;
}

function onEscape(event: KeyboardEvent, close: () => void): void {
  if (event.key === "Escape") close();
}

function Form({ pool }: { pool: string }) {
  const refused = useSignal("");
  const busy = useSignal(false);
  const first = useRef<HTMLInputElement>(null);
  useLayoutEffect(() => first.current?.focus(), []); // before anything is typed

  const close = () => {
    adding.value = "";
    requestAnimationFrame(() => addButtonOf(pool)?.focus());
  };
  const send = async (form: HTMLFormElement) => {
    if (busy.value) return;
    const told = new FormData(form);
    const [address, name, weight] = ["address", "name", "weight"].map((field) => String(told.get(field)).trim());
    busy.value = true;
    try {
      const worker = await addWorker(pool, { address, keep: told.has("keep"), ...(name && { name }), ...(weight && { weight: Number(weight) }) });
      say(`${worker.name} was added: it gets requests after its first good probe`);
      close();
      await loadDifferences();
    } catch (error) {
      refused.value = (error as Error).message;
      first.current?.focus();
    }
    busy.value = false;
  };
  const id = `add-refused-${pool}`;
  return (
    <form class="adding" aria-label={`add a worker to ${pool}`} onKeyDown={(event) => onEscape(event, close)}
      onSubmit={(event) => { event.preventDefault(); void send(event.currentTarget); }}>
      <label>Address <input name="address" ref={first} required placeholder="10.0.0.7:3001" autocomplete="off" spellcheck={false}
        aria-invalid={refused.value !== ""} aria-describedby={refused.value ? id : undefined} /></label>
      <label>Name <input name="name" placeholder="its port" autocomplete="off" spellcheck={false} /></label>
      <label>Weight <input name="weight" type="number" min="1" max="256" placeholder="1" /></label>
      <label class="check"><input name="keep" type="checkbox" /> keep it over reloads</label>
      <span class="orders"><button class="main" aria-disabled={busy.value}>Add</button><button type="button" onClick={close}>Cancel</button></span>
      <Refusal id={id}>{refused.value}</Refusal>
    </form>
  );
}

export function AddWorker({ pool }: { pool: string }) {
  if (adding.value === pool) return <Form pool={pool} />;
  return <p class="add"><button data-add={pool} onClick={() => (adding.value = pool)}>Add a worker<span class="hidden"> to {pool}</span></button></p>;
}

const takesAlone = (worker: Worker) =>
  worker.taking && status.value?.pools.find((pool) => pool.name === worker.pool)?.taking === 1;

function Removal({ worker }: { worker: Worker }) {
  const busy = useSignal(false);
  const dialog = useRef<HTMLDialogElement>(null);
  const cancel = useRef<HTMLButtonElement>(null);
  const keep = useRef<HTMLInputElement>(null);
  const key = workerKey(worker);
  useLayoutEffect(() => {
    dialog.current!.showModal();
    cancel.current!.focus(); // what a hasty Enter does is harmless
  }, []);

  const close = () => dialog.current!.close(); // the keyboard goes back to where it was
  const remove = async () => {
    if (busy.value) return;
    busy.value = true;
    try {
      const gone = await removeWorker(worker, keep.current!.checked);
      say(`${worker.name} was removed${gone.active ? `: ${requests(gone.active)} at it will be finished` : ""}`);
      close();
      addButtonOf(worker.pool)?.focus();
      await loadDifferences();
    } catch (error) {
      refusals.value = { ...refusals.value, [key]: (error as Error).message };
    }
    busy.value = false;
  };
  return (
    <dialog class="question" ref={dialog} aria-label={`remove ${worker.name}`} onClose={() => (asked.value = "")}>
      <p>
        <b>Remove {worker.name}?</b> It gets no more requests; {worker.active ? `${requests(worker.active)} at it will be finished` : "there are none at it now"}.
        {takesAlone(worker) && <b class="bad"> Nobody else of {worker.pool} takes requests now.</b>}
      </p>
      <label class="check"><input type="checkbox" ref={keep} /> keep it removed over reloads</label>
      <span class="orders"><button class="danger" aria-disabled={busy.value} onClick={() => void remove()}>Remove</button><button ref={cancel} onClick={close}>Cancel</button></span>
      <Refusal id={`refused-${key}`}>{refusals.value[key] ?? ""}</Refusal>
    </dialog>
  );
}

// A reload or somebody else may take away the worker that is asked about.
export function Question() {
  const worker = workersOf(status.value).find((one) => workerKey(one) === asked.value);
  const isGone = asked.value !== "" && !worker;
  useEffect(() => {
    if (!isGone) return;
    say(`${asked.value.slice(asked.value.indexOf("/") + 1)} is gone`);
    asked.value = "";
  }, [isGone]);
  return worker ? <Removal key={asked.value} worker={worker} /> : null;
}

// Below a worker's row: what was refused of it.
export function Below({ worker, columns }: { worker: Worker; columns: number }) {
  const key = workerKey(worker);
  if (asked.value === key || !refusals.value[key]) return null;
  return (
    <tr class="below" data-below={worker.name}>
      <td colSpan={columns}><Refusal id={`refused-${key}`}>{refusals.value[key]}</Refusal></td>
    </tr>
  );
}

const SIGNS: Record<Difference["what"], string> = { added: "+", removed: "−", changed: "~" };

const wasAdded = (worker: Worker) =>
  differences.value.differences.some((one) => one.what === "added" && one.pool === worker.pool && one.worker === worker.name);

export function AddedMark({ worker }: { worker: Worker }) {
  return wasAdded(worker) ? <small class="changed">not in the file</small> : null;
}

function DifferenceLine({ one }: { one: Difference }) {
  return (
    <li data-sign={SIGNS[one.what]} data-worker={one.worker}>
      <b>{one.worker}</b> of {one.pool}{one.address !== one.worker && ` (${one.address})`} {one.what}
      {one.mode !== "ready" && `: ${one.mode}`}{one.weight > 0 && `, weight ${one.weight}`}
      <small> at {clock(one.since)}; {one.keep ? "goes on over reloads" : "ends with the next reload"}</small>
    </li>
  );
}

function LeavingLine({ one }: { one: Leaving }) {
  return <li data-sign="…"><b>{one.worker}</b> of {one.pool} is gone, with {requests(one.active)} under way</li>;
}

export function Differences() {
  const { differences: list, leaving } = differences.value;
  return (
    <section class="card" aria-label="differences from the file">
      <h2>Not as the file says <span class="count">{list.length}</span></h2>
      {list.length + leaving.length === 0 ? <p class="quiet">Every worker is as the file says.</p> : (
        <div class="scroll" tabIndex={0} role="group" aria-label="list of differences"><ul class="signs">
          {list.map((one) => <DifferenceLine key={`${one.pool}/${one.worker}/${one.address}`} one={one} />)}
          {leaving.map((one) => <LeavingLine key={`leaving ${one.pool}/${one.worker}/${one.address}`} one={one} />)}
        </ul></div>
      )}
    </section>
  );
}
