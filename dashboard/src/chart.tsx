// A live chart of the last minutes (uPlot), drawn in the page's own colours.

import { useEffect, useRef } from "preact/hooks";
import { effect, signal } from "@preact/signals";
import uPlot from "uplot";
import { Sample } from "./api";
import { samples } from "./state";

type Line = { label: string; color: string; value: (sample: Sample) => number; fill?: boolean };

const WINDOW_S = 300;
export const themeChanged = signal(0);

const css = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const shown = (value: number) => (value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2));

function options(lines: Line[], unit: string, width: number): uPlot.Options {
  const axis = { stroke: css("--faint"), grid: { stroke: css("--line"), width: 1 }, ticks: { show: false }, font: "11px system-ui" };
  return {
    width,
    height: 190,
    cursor: { y: false, points: { size: 6 } },
    legend: { live: true },
    scales: {
      x: { range: () => [Date.now() / 1000 - WINDOW_S, Date.now() / 1000] },
      y: { range: (_, __, max) => [0, Math.max(max * 1.15, 1)] },
    },
    axes: [
      { ...axis, space: 70, size: 28, values: (_, ticks) => ticks.map((at) => new Date(at * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" })) },
      { ...axis, size: 52, values: (_, ticks) => ticks.map((tick) => `${+tick.toFixed(2)}`) },
    ],
    series: [
      { label: "time", value: (_, at) => (at ? new Date(at * 1000).toLocaleTimeString([], { hourCycle: "h23" }) : "") },
      ...lines.map((line) => ({
        label: line.label,
        stroke: css(line.color),
        fill: line.fill ? `${css(line.color)}22` : undefined,
        width: 1.6,
        points: { show: false },
        value: (plot: uPlot, pointed: number | null, series: number) => {
          const value = pointed ?? plot.data[series].at(-1); // nobody points: the newest
          return value == null ? "–" : `${shown(value)}${unit}`;
        },
      })),
    ],
  };
}

function data(lines: Line[]): uPlot.AlignedData {
  const list = samples.value;
  return [list.map((sample) => sample.time_s), ...lines.map((line) => list.map(line.value))];
}

export function Chart({ title, unit, lines }: { title: string; unit: string; lines: Line[] }) {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const at = place.current!;
    let plot: uPlot | null = null;
    const make = () => {
      plot?.destroy();
      plot = new uPlot(options(lines, unit, at.clientWidth), data(lines), at);
    };
    const resized = new ResizeObserver(() => plot?.setSize({ width: at.clientWidth, height: 190 }));
    const undoTheme = effect(() => {
      themeChanged.value;
      make();
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
      <div ref={place} />
    </section>
  );
}
