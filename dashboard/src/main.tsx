// The page: head, figures, charts, pools, panels.

import { render } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { effect, signal } from "@preact/signals";
import { Chart, themeChanged } from "./chart";
import { announced } from "./announce";
import { setToken } from "./api";
import { Differences, Question } from "./changes";
import { Find, PoolCards } from "./find";
import { Config, Events, Explain, InFlight, Reasons } from "./panels";
import { Reloads, Standing } from "./reloads";
import { Link, down, link, run, said, status, tokenIsWrong, unlock, workersOf } from "./state";
import { count, decimal, number, span } from "./words";
import { Pill } from "./workers";

const THEMES = ["auto", "light", "dark"] as const;
const theme = signal(localStorage.getItem("ballast-theme") ?? "auto");

function applyTheme(): void {
  document.documentElement.dataset.theme = theme.value;
  localStorage.setItem("ballast-theme", theme.value);
  themeChanged.value++;
}

function nextTheme(): void {
  theme.value = THEMES[(THEMES.indexOf(theme.value as (typeof THEMES)[number]) + 1) % THEMES.length];
  applyTheme();
}

const LINK_WORDS: Record<Link, string> = { connecting: "connecting", live: "live", lost: "no answer, trying again", locked: "locked" };

function titleOfPage(): string {
  if (link.value === "lost") return "no answer · Ballast";
  return down.value > 0 ? `${down.value} down · Ballast` : "Ballast";
}

function Head() {
  const now = status.value;
  return (
    <header class="top">
      <h1><svg viewBox="0 0 24 24" aria-hidden="true"><path d="M12 3v15M5 8h14M5 8l-3 6a3.4 3.4 0 0 0 6 0zM19 8l-3 6a3.4 3.4 0 0 0 6 0zM8 20h8" /></svg>Ballast</h1>
      {now && <Pill kind={now.stopping ? "degraded" : now.health}>{now.stopping ? "stopping" : now.health}</Pill>}
      <span class={`link ${link.value}`} role="status">{LINK_WORDS[link.value]}</span>
      {now && <span class="quiet facts">{now.version.version} · up {span(now.version.uptime_s)} · {now.version.threads} {now.version.threads === 1 ? "thread" : "threads"}{now.version.write ? "" : " · read only"}</span>}
      <button class="theme" onClick={nextTheme} aria-label={`colours: ${theme.value}; change`}>{theme.value}</button>
    </header>
  );
}

function Figure({ label, value, unit, kind }: { label: string; value: string; unit?: string; kind?: string }) {
  return <div class={`figure ${kind ?? ""}`}><dt>{label}</dt><dd>{value}{unit && <small>{unit}</small>}</dd></div>;
}

function Figures() {
  const now = status.value!;
  const workers = workersOf(now);
  const taking = workers.filter((worker) => worker.taking).length;
  return (
    <dl class="figures">
      <Figure label="Requests" value={decimal(now.rates.requests_per_s)} unit="/s" />
      <Figure label="Failures" value={decimal(now.rates.failures_per_s)} unit="/s" kind={now.rates.failures_per_s > 0 ? "bad" : ""} />
      <Figure label="Median" value={decimal(now.rates.p50_ms)} unit=" ms" />
      <Figure label="99th percentile" value={decimal(now.rates.p99_ms)} unit=" ms" />
      <Figure label="Take requests" value={number(taking)} unit={` of ${count(workers.length, "worker")}`} kind={taking === 0 ? "bad" : ""} />
      <Figure label="In flight" value={number(now.requests.active)} />
      <Figure label="Clients" value={number(now.connections.clients)} />
      <Figure label="Since the start" value={number(now.requests.total)} />
    </dl>
  );
}

function Lock() {
  const field = useRef<HTMLInputElement>(null);
  useLayoutEffect(() => field.current!.focus(), []);
  return (
    <form class="card lock" onSubmit={(event) => {
      event.preventDefault();
      setToken(String(new FormData(event.currentTarget).get("token")));
      link.value = "connecting";
      unlock.value?.();
    }}>
      <h2>The token, please</h2>
      <p class="quiet">It is <code>admin.token</code> of the configuration, and stays in this tab.</p>
      {tokenIsWrong.value && <p class="bad" role="alert" id="wrong">This is not the token.</p>}
      <input name="token" type="password" aria-label="token" ref={field} required
        aria-invalid={tokenIsWrong.value} aria-describedby={tokenIsWrong.value ? "wrong" : undefined} />
      <button class="main">Open</button>
    </form>
  );
}

function Panels() {
  return (
    <div class="panels" id="panels" tabIndex={-1}>
      <div><InFlight /><Events /><Differences /></div>
      <div><Reasons /><Explain /><Reloads /></div>
    </div>
  );
}

function Page() {
  if (link.value === "locked") return <><Head /><main><Lock /></main></>;
  if (!status.value) return <><Head /><main><p class="quiet wait">Waiting for the balancer…</p></main></>;
  return (
    <>
      <nav class="skip" aria-label="skip links"><a href="#workers">Skip to the workers</a><a href="#panels">Skip past the workers</a></nav>
      <Head />
      <main class={link.value === "lost" ? "stale" : ""}>
        <Standing />
        <Figures />
        <div class="two">
          <Chart title="Requests a second" unit="/s" lines={[
            { label: "requests", color: "--accent", value: (s) => s.requests_per_s, fill: true },
            { label: "failures", color: "--bad", value: (s) => s.failures_per_s, dash: [5, 3] },
          ]} />
          <Chart title="Latency" unit=" ms" lines={[
            { label: "median", color: "--accent", value: (s) => s.p50_ms },
            { label: "99th percentile", color: "--doubt", value: (s) => s.p99_ms, dash: [5, 3] },
          ]} />
        </div>
        <div class="workers" id="workers" tabIndex={-1}><Find /><PoolCards /></div>
        <Panels />
        <Config />
      </main>
      <Question />
      <p class="said" role="status">{said.value}</p>
      <p class="hidden" role="status">{announced.value}</p>
    </>
  );
}

effect(() => void (document.title = titleOfPage()));
applyTheme();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => themeChanged.value++);
render(<Page />, document.getElementById("page")!);
void run();
