// Takes the screenshots of the documents: `node shots.mjs URL TOKEN FOLDER`, of a balancer that runs.

import { open } from "./browser.mjs";

const [url, token, folder] = process.argv.slice(2);
for (const [name, options] of [
  ["light", { colorScheme: "light", viewport: { width: 1360, height: 1000 } }],
  ["dark", { colorScheme: "dark", viewport: { width: 1360, height: 1000 } }],
  ["phone", { colorScheme: "light", viewport: { width: 390, height: 844 } }],
]) {
  const { browser, page } = await open(`${url}#token=${token}`, options);
  await page.getByText("Requests a second").waitFor();
  await page.getByRole("button", { name: "Explain" }).click();
  await page.locator(".explained").waitFor();
  await page.waitForTimeout(20000); // until the rates of workers have a shape
  await page.evaluate((phone) => (phone ? document.querySelector(".pool").scrollIntoView() : scrollTo(0, 0)), name === "phone");
  await page.screenshot({ path: `${folder}/dashboard-${name}.png` });
  await browser.close();
}
