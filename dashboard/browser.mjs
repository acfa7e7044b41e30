// A headless Chromium with one page, for tests and screenshots. The program is $BALLAST_CHROMIUM.

import { chromium } from "playwright-core";

export async function open(url, options = {}) {
  const browser = await chromium.launch({
    executablePath: process.env.BALLAST_CHROMIUM,
    args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
      "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
  const page = await (await browser.newContext(options)).newPage();
  const faults = [];
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on("console", (message) => message.type() === "error" && faults.push(message.text()));
  await page.goto(url);
  return { browser, page, faults };
}
