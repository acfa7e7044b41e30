// One page in a headless Chromium, driven by lines of JSON on standard input: {"do": [...], ...} in, {"ok": value} or
// {"error": text} out. The modules are those of $BALLAST_DASHBOARD.

import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const { open } = await import(pathToFileURL(`${process.env.BALLAST_DASHBOARD}/browser.mjs`));
let at;

// What has the keyboard, as assistive technology is told of it and as it is seen.
async function focused(page) {
  const devtools = await page.context().newCDPSession(page);
  try {
    const { result } = await devtools.send("Runtime.evaluate", { expression: "document.activeElement" });
    const { nodes } = await devtools.send("Accessibility.getPartialAXTree", { objectId: result.objectId, fetchRelatives: false });
    return { role: nodes[0].role?.value, name: nodes[0].name?.value ?? "", ...(await page.evaluate(seen)) };
  } finally {
    await devtools.detach();
  }
}

// Runs in the page: its indicator's width and color, the ground around it, and whether anything covers it.
function seen() {
  const at = document.activeElement;
  const style = getComputedStyle(at);
  const opaque = (one) => !/^rgba\(.*, 0\)$/.test(getComputedStyle(one).backgroundColor);
  let ground = at.parentElement;
  while (ground.parentElement && !opaque(ground)) ground = ground.parentElement;
  const box = at.getBoundingClientRect();
  const x = Math.min(Math.max(box.left + box.width / 2, 0), innerWidth - 1);
  const y = Math.min(Math.max(box.top + Math.min(box.height / 2, 20), 0), innerHeight - 1);
  const hit = document.elementFromPoint(x, y);
  return {
    tag: at.tagName.toLowerCase(), y: box.top + scrollY,
    outline: style.outlineStyle === "none" ? 0 : parseFloat(style.outlineWidth), color: style.outlineColor,
    ground: getComputedStyle(ground).backgroundColor, covered: !(at.contains(hit) || hit?.contains(at)),
  };
}

// What the page's thread has had of a processor.
async function processorSeconds(page) {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("Performance.enable", { timeDomain: "threadTicks" });
  const { metrics } = await devtools.send("Performance.getMetrics");
  return metrics.find(({ name }) => name === "TaskDuration").value;
}

const verbs = {
  open: async ({ url, options }) => void (at = await open(url, options ?? {})),
  text: ({ selector }) => at.page.locator(selector).first().innerText(),
  wait: async ({ selector, text, state, ms }) => {
    await at.page.locator(selector, text ? { hasText: text } : {}).first().waitFor({ state, timeout: ms ?? 15000 });
  },
  gone: async ({ selector, text }) => {
    await at.page.locator(selector, text ? { hasText: text } : {}).first().waitFor({ state: "detached", timeout: 15000 });
  },
  click: ({ selector, text }) => at.page.locator(selector, text ? { hasText: text } : {}).first().click({ timeout: 15000 }),
  fill: ({ selector, text }) => at.page.locator(selector).first().fill(text, { timeout: 15000 }),
  focus: ({ selector }) => at.page.locator(selector).first().focus({ timeout: 15000 }),
  size: (size) => at.page.setViewportSize(size),
  // Loads the page again, where this script runs first.
  again: async ({ script }) => {
    await at.page.addInitScript(script);
    await at.page.reload();
  },
  // From now on, this is what the page gets instead of the balancer's answer.
  answer: ({ path, type, body }) => at.page.route(`**${path}`, (route) => route.fulfill({ contentType: type ?? "application/json", body })),
  press: ({ key }) => at.page.keyboard.press(key),
  focused: () => focused(at.page),
  processor_s: () => processorSeconds(at.page),
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
