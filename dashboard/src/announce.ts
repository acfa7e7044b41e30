// What a screen reader is told of what happens: the newest few sentences at a time, with a pause between.

import { signal } from "@preact/signals";

const PAUSE_MS = 4000;
const AT_ONCE = 3;

export const announced = signal("");

let waiting: string[] = [];
let timer = 0;

function tell(): void {
  const before = waiting.length - AT_ONCE;
  announced.value = (before > 0 ? `${before} more. ` : "") + waiting.slice(-AT_ONCE).join(". ");
  waiting = [];
  timer = 0;
}

export function announce(sentence: string): void {
  waiting.push(sentence);
  timer ||= setTimeout(tell, PAUSE_MS);
}
