// The tour in a browser, from a page of the server's own.

import { readFile } from "node:fs/promises";
import { chromium } from "playwright-core";

const server = process.env.SERVER;
const source = await readFile(new URL("tour.mjs", import.meta.url), "utf8");

// Without a sandbox, which root may not have; the only page is ours.
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] });
try {
  const page = await browser.newPage();
  await page.goto(`${server}/docs/`);
  await page.evaluate(
    async ([source, server]) => {
      const module = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
      const { tour } = await import(module);
      await tour(server, WebSocket, ["ada-browser", "bob-browser"]);
    },
    [source, server],
  );
} finally {
  await browser.close();
}
