// One page in a headless Chromium, driven by lines of JSON on standard input: {"do": [...], ...} in, {"ok": value} or
// {"error": text} out. The modules are those of $BALLAST_DASHBOARD.

import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const { open } = await import(pathToFileURL(`${process.env.BALLAST_DASHBOARD}/browser.mjs`));
let at;

const verbs = {
  open: async ({ url, options }) => void (at = await open(url, options ?? {})),
  text: ({ selector }) => at.page.locator(selector).first().innerText(),
  wait: async ({ selector, text, ms }) => {
    await at.page.locator(selector, text ? { hasText: text } : {}).first().waitFor({ timeout: ms ?? 15000 });
  },
  gone: async ({ selector, text }) => {
    await at.page.locator(selector, text ? { hasText: text } : {}).first().waitFor({ state: "detached", timeout: 15000 });
  },
  click: ({ selector, text }) => at.page.locator(selector, text ? { hasText: text } : {}).first().click({ timeout: 15000 }),
  fill: ({ selector, text }) => at.page.locator(selector).first().fill(text, { timeout: 15000 }),
  focus: ({ selector }) => at.page.locator(selector).first().focus({ timeout: 15000 }),
  size: (size) => at.page.setViewportSize(size),
  press: ({ key }) => at.page.keyboard.press(key),
  evaluate: ({ code }) => at.page.evaluate(code),
  faults: () => at.faults,
  close: () => at.browser.close(),
};

for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line);
  let answer;
  try {
    answer = { ok: (await verbs[order.verb](order)) ?? null };
  } catch (error) {
    answer = { error: String(error) };
  }
  console.log(JSON.stringify(answer));
  if (order.verb === "close") process.exit(0);
}
