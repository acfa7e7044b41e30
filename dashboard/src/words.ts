// Numbers, spans and times as the page writes them. Times are of the browser's zone; what is said to be now is the
// balancer's clock, because the browser's may be wrong.

import { serverNow } from "./state";

const GROUPED = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const CLOCK = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
const MINUTE = new Intl.DateTimeFormat("en-GB", { timeStyle: "short" });
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const UNITS: [number, string][] = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]];
const SPANS: [number, string][] = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];

export const zone = CLOCK.resolvedOptions().timeZone;

// In full below `least`, which is 1000 or more; from there on with one decimal and a unit.
function scaled(value: number, least: number): string {
  const unit = value >= least && UNITS.find(([size]) => value >= size);
  return unit ? `${(value / unit[0]).toFixed(1)} ${unit[1]}` : GROUPED.format(value);
}

export const number = (value: number) => scaled(value, 1e4);
export const decimal = (value: number) => (value >= 100 ? scaled(value, 1e5) : value.toFixed(value >= 10 ? 1 : 2));
export const tick = (value: number) => (value < 1000 ? `${+value.toFixed(2)}` : scaled(value, 1e4).replace(".0 ", " "));
export const count = (many: number, one: string) => `${number(many)} ${one}${many === 1 ? "" : "s"}`;

export function span(seconds: number): string {
  const at = SPANS.findIndex(([size]) => seconds >= size);
  const from = at < 0 ? 3 : at;
  const rest = from < 3 ? Math.floor((seconds % SPANS[from][0]) / SPANS[from + 1][0]) : 0;
  return `${Math.floor(seconds / SPANS[from][0])} ${SPANS[from][1]}${rest ? ` ${rest} ${SPANS[from + 1][1]}` : ""}`;
}

// In whole minutes from one on: what changes each second in hundreds of rows costs, and says no more.
export function ago(time: string): string {
  if (!time) return "";
  const seconds = Math.max(0, (serverNow() - Date.parse(time)) / 1000);
  return `${span(seconds < 60 ? seconds : seconds - (seconds % 60))} ago`;
}

export const minute = (time: number) => MINUTE.format(time);

// With its day where that is not today.
export function clock(time: string | number): string {
  const at = new Date(time);
  return (at.toDateString() === new Date(serverNow()).toDateString() ? CLOCK : DAY).format(at);
}
