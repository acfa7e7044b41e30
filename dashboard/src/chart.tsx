// A live chart of the last minutes (uPlot), drawn in the page's own colours; and the same in a sentence.

import { useEffect, useRef } from "preact/hooks";
import { effect, signal, untracked } from "@preact/signals";
import uPlot from "uplot";
import { Sample } from "./api";
import { samples, serverNow } from "./state";
import { clock, decimal, minute, span, tick } from "./words";

type Line = { label: string; color: string; value: (sample: Sample) => number; fill?: boolean; dash?: number[] };

const WINDOW_S = 300;
const NARROW_PX = 500;
export const themeChanged = signal(0);

const sizeOf = (place: HTMLElement) => ({ width: place.clientWidth, height: place.clientWidth < NARROW_PX ? 150 : 190 });
const css = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function options(lines: Line[], unit: string, place: HTMLElement): uPlot.Options {
  const axis = { stroke: css("--faint"), grid: { stroke: css("--line"), width: 1 }, ticks: { show: false }, font: "11px system-ui" };
  return {
    ...sizeOf(place),
    cursor: { y: false, points: { size: 6 } },
    legend: { live: true },
    scales: {
      x: { range: () => [serverNow() / 1000 - WINDOW_S, serverNow() / 1000] },
      y: { range: (_, __, max) => [0, Math.max(max * 1.15, 1)] },
    },
    axes: [
      { ...axis, space: 40, size: 28, incrs: [60, 120, 300], values: (_, ticks) => ticks.map((at) => minute(at * 1000)) },
      { ...axis, size: 52, values: (_, ticks) => ticks.map(tick) },
    ],
    series: [
      { label: "time", value: (_, at) => (at ? clock(at * 1000) : "") },
      ...lines.map((line) => ({
        label: line.label,
        stroke: css(line.color),
        fill: line.fill ? `${css(line.color)}22` : undefined,
        width: 1.6,
        dash: line.dash,
        points: { show: false },
        value: (plot: uPlot, pointed: number | null, series: number) => {
          const value = pointed ?? plot.data[series].at(-1); // nobody points: the newest
          return value == null ? "–" : `${decimal(value)}${unit}`;
        },
      })),
    ],
  };
}

function data(lines: Line[]): uPlot.AlignedData {
  const list = samples.value;
  return [list.map((sample) => sample.time_s), ...lines.map((line) => list.map(line.value))];
}

function Sentence({ unit, lines }: { unit: string; lines: Line[] }) {
  const list = samples.value;
  if (list.length === 0) return null;
  const told = lines.map(({ label, value }) => {
    const values = list.map(value);
    return `${label}: now ${decimal(values.at(-1)!)}${unit}, from ${decimal(Math.min(...values))} to ${decimal(Math.max(...values))}`;
  });
  return <p class="hidden">In the last {span(list.at(-1)!.time_s - list[0].time_s)}, {told.join("; ")}.</p>;
}

export function Chart({ title, unit, lines }: { title: string; unit: string; lines: Line[] }) {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const at = place.current!;
    let plot: uPlot | null = null;
    const make = () => {
      plot?.destroy();
      plot = new uPlot(options(lines, unit, at), data(lines), at);
    };
    const resized = new ResizeObserver(() => plot?.setSize(sizeOf(at)));
    const undoTheme = effect(() => {
      themeChanged.value;
      untracked(make); // new samples do not make a new chart
    });
    const undoData = effect(() => plot?.setData(data(lines)));
    resized.observe(at);
    return () => {
      undoTheme();
      undoData();
      resized.disconnect();
      plot?.destroy();
    };
  }, []);
  return (
    <section class="card chart" aria-label={title}>
      <h2>{title}</h2>
      <Sentence unit={unit} lines={lines} />
      <div ref={place} aria-hidden="true" />
    </section>
  );
}
