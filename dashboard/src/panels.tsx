// Requests in flight, failures by reason, recent events, what a request would get, and the configuration.

import { signal } from "@preact/signals";
import { Explanation, get } from "./api";
import { config, events, exchanges, status } from "./state";
import { clock, number, span, zone } from "./words";

export function InFlight() {
  const { exchanges: list, total } = exchanges.value;
  return (
    <section class="card" aria-label="requests in flight">
      <h2>In flight <span class="count">{total}</span></h2>
      {list.length === 0 ? <p class="quiet">Nothing is being worked on at this moment.</p> : (
        <div class="scroll" tabIndex={0} role="group" aria-label="list of requests in flight">
          <table class="plain">
            <thead><tr><th scope="col">Request</th><th scope="col">Worker</th><th scope="col">Step</th><th scope="col" class="num">Age</th></tr></thead>
            <tbody>
              {list.map((x) => (
                <tr key={x.id} title={`id ${x.id}, client ${x.client}, ${x.tries} tries, ${x.bytes_in} B in, ${x.bytes_out} B out`}>
                  <td><b>{x.method}</b> {x.host}{x.target}</td>
                  <td>{x.worker || "–"}</td>
                  <td>{x.step.toLowerCase()}</td>
                  <td class="num">{x.age_ms < 1000 ? `${x.age_ms.toFixed(0)} ms` : span(x.age_ms / 1000)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

export function Reasons() {
  const all = Object.entries(status.value?.reasons ?? {}).sort((a, b) => b[1] - a[1]);
  const most = Math.max(1, ...all.map(([, count]) => count));
  return (
    <section class="card" aria-label="failures by reason">
      <h2>Failed and aborted <span class="count">{number(all.reduce((sum, [, count]) => sum + count, 0))}</span></h2>
      {all.length === 0 ? <p class="quiet">Every request since the start was answered.</p> : (
        <ul class="bars">
          {all.map(([reason, count]) => (
            <li key={reason}><span>{reason}</span><meter min={0} max={most} value={count} /><b>{number(count)}</b></li>
          ))}
        </ul>
      )}
    </section>
  );
}

export function Events() {
  return (
    <section class="card" aria-label="recent events">
      <h2>Events <span class="count">times in {zone}</span></h2>
      <div class="scroll" tabIndex={0} role="group" aria-label="list of events"><ol class="events">
        {events.value.map((event) => (
          <li key={`${event.time} ${event.number}`} class={event.level}>
            <time dateTime={event.time}>{clock(event.time)}</time>
            <span>{event.level !== "info" && <em>{event.level}</em>}<b>{event.message}</b> <small>{event.facts}</small></span>
          </li>
        ))}
      </ol></div>
    </section>
  );
}

const explained = signal<Explanation | null>(null);
const refused = signal("");

async function explain(form: HTMLFormElement): Promise<void> {
  const query = new URLSearchParams([...new FormData(form)].map(([name, value]) => [name, String(value)]));
  try {
    explained.value = await get<Explanation>(`/v1/explain?${query}`);
    refused.value = "";
  } catch (error) {
    explained.value = null;
    refused.value = (error as Error).message;
  }
}

export function Explain() {
  return (
    <section class="card" aria-label="explain a request">
      <h2>What would a request get?</h2>
      <form class="explain" onSubmit={(event) => { event.preventDefault(); void explain(event.currentTarget); }}>
        <select name="method" aria-label="method">{["GET", "HEAD", "POST", "PUT", "DELETE"].map((m) => <option>{m}</option>)}</select>
        <input name="host" aria-label="host" defaultValue="localhost" />
        <input name="path" aria-label="path" defaultValue="/" />
        <button>Explain</button>
      </form>
      {refused.value && <p class="bad">{refused.value}</p>}
      {explained.value && (
        <div class="explained">
          <p><b>{explained.value.answer}</b>{explained.value.route.number > 0 && ` By route ${explained.value.route.number}.`}</p>
          <ul>{explained.value.workers.map((w) => <li class={w.chosen ? "chosen" : ""}><b>{w.name}</b> {w.why}</li>)}</ul>
        </div>
      )}
    </section>
  );
}

export function Config() {
  return (
    <section class="card" aria-label="configuration">
      <h2>Configuration as loaded</h2>
      <pre class="scroll" tabIndex={0} role="group" aria-label="configuration, as JSON">{JSON.stringify(config.value, null, 2)}</pre>
    </section>
  );
}
