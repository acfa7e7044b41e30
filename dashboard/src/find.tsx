// The pools, and the form that finds workers where there are many.

import { computed, signal } from "@preact/signals";
import { Worker } from "./api";
import { status, workersOf } from "./state";
import { PoolCard } from "./workers";

const MANY = 12;

const wanted = signal("");
const onlyOut = signal(false);
const isNarrowed = computed(() => wanted.value !== "" || onlyOut.value);

const isShown = (worker: Worker) =>
  !(onlyOut.value && worker.taking) && `${worker.pool} ${worker.name} ${worker.address}`.toLowerCase().includes(wanted.value);

export function Find() {
  const workers = workersOf(status.value);
  if (workers.length <= MANY && !isNarrowed.value) return null;
  return (
    <form class="find" role="search" onSubmit={(event) => event.preventDefault()}>
      <label>Find workers <input type="search" spellcheck={false} autocomplete="off" placeholder="name, address or pool"
        onInput={(event) => (wanted.value = event.currentTarget.value.trim().toLowerCase())} /></label>
      <label class="check"><input type="checkbox" onChange={(event) => (onlyOut.value = event.currentTarget.checked)} /> only those that take no requests</label>
      <span class="quiet" role="status">{isNarrowed.value && `${workers.filter(isShown).length} of ${workers.length} shown`}</span>
    </form>
  );
}

export function PoolCards() {
  return (
    <>
      {status.value!.pools.map((pool) => {
        const workers = isNarrowed.value ? pool.workers.filter(isShown) : pool.workers;
        return isNarrowed.value && workers.length === 0 ? null : <PoolCard key={pool.name} pool={pool} workers={workers} />;
      })}
    </>
  );
}
