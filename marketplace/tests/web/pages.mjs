// SPDX-License-Identifier: BSL-1.0
//
// The web pages in a headless Chromium, as somebody uses them: on a phone's width and a desktop's,
// with the keyboard alone, and while another client changes something.
//
//   node pages.mjs PROGRAM [SCREENSHOTS]

import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { createServer } from "node:http";
import assert from "node:assert/strict";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const [program, screenshots] = process.argv.slice(2);
if (screenshots) mkdirSync(screenshots, { recursive: true });

// ----- a service, and a host with an agent's card

const service = spawn(program, ["serve", "--storage", "memory", "--listen", "127.0.0.1:0", "--dev",
  "--rate-limits", "off", "--log-level", "warning"], { stdio: ["ignore", "pipe", "inherit"] });
const base = await new Promise((resolve, reject) => {
  service.on("exit", (code) => reject(new Error(`the service ended with ${code}`)));
  createInterface(service.stdout).once("line", (line) => resolve(line.match(/http:\S+/)[0]));
});

const card = { name: "Carded", description: "Says so itself", version: "1", protocolVersion: "0.3.0",
  url: "http://localhost/a2a", capabilities: {}, defaultInputModes: [], defaultOutputModes: [],
  skills: [{ id: "s", name: "S", tags: ["cards"] }] };
const host = createServer((request, response) => {
  response.setHeader("Content-Type", "application/json");
  response.end(JSON.stringify(card));
});
await new Promise((resolve) => { host.listen(0, "127.0.0.1", resolve); });
const cardHost = `http://localhost:${host.address().port}`;

async function register(number, extra = {}) {
  const response = await fetch(`${base}/v1/agents`, {
    method: "POST", headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ agent_name: `Agent ${number}`, base_url: `https://a${number}.example.com`,
      description: "Translates texts", tags: [number % 2 ? "odd" : "even"], ...extra }),
  });
  assert.equal(response.status, 201);
  return response.json();
}
for (let i = 1; i <= 25; ++i) await register(i);
await register(26, { agent_name: "<img src=x onerror=alert(1)>", description: "</script><b>bold</b>" });

// ----- the stories

const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
const complaints = [];
let failed = 0;

async function story(name, options, play) {
  const context = await browser.newContext({ viewport: { width: 1000, height: 800 }, ...options });
  context.setDefaultTimeout(30000);
  const page = await context.newPage();
  page.on("pageerror", (error) => complaints.push(`${name}: ${error.message}`));
  page.on("console", (message) => {
    const isRefusal = message.text().includes("Failed to load resource");  // of a 4xx that is shown
    if (message.type() === "error" && !isRefusal) complaints.push(`${name}: ${message.text()}`);
  });
  try {
    await play(page);
    console.log(`ok: ${name}`);
  } catch (error) {
    failed += 1;
    console.error(`FAILED: ${name}\n${error.stack}`);
  }
  if (screenshots) await page.screenshot({ path: `${screenshots}/${name.replaceAll(" ", "-")}.png` });
  await context.close();
}

const shown = (page) => page.locator("#agents li").count();
const noSidewaysScrolling = async (page) =>
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));

await story("the list is searched, filtered and paged", {}, async (page) => {
  await page.goto(base);
  await page.getByText("20 of 26 agents").waitFor();
  await page.getByRole("button", { name: "Show more" }).click();
  await page.getByText("26 of 26 agents").waitFor();
  assert.equal(await shown(page), 26);
  await page.getByRole("button", { name: /^odd / }).click();
  await page.getByText("13 of 13 agents").waitFor();
  await page.getByRole("button", { name: /^odd / }).click();
  await page.getByLabel(/Search name/).fill("Agent 7");
  await page.getByRole("button", { name: "Search" }).click();
  await page.getByText("1 of 1 agents").waitFor();
  await page.getByLabel(/Search name/).fill("no such thing");
  await page.keyboard.press("Enter");
  await page.getByText("No agent is like that.").waitFor();
});

await story("what strangers wrote is text", {}, async (page) => {
  page.on("dialog", () => assert.fail("a script of a stranger ran"));
  await page.goto(base);
  await page.getByRole("link", { name: "<img src=x" }).click();
  await page.getByRole("heading", { name: "<img src=x" }).waitFor();
  await page.locator("#agent-description").getByText("</script><b>bold</b>").waitFor();
  assert.equal(await page.locator("main b, main img").count(), 0);
});

await story("an agent is registered with the keyboard alone", {}, async (page) => {
  await page.goto(`${base}/#register`);
  await page.getByRole("heading", { name: "Register an agent" }).waitFor();
  await page.keyboard.press("Tab");
  await page.keyboard.type(cardHost);
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.getByText(/Carded: v0.3 card, 1 violations/).waitFor();
  assert.equal(await page.getByLabel("Name", { exact: true }).inputValue(), "Carded");
  await page.getByLabel("Name", { exact: true }).focus();
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Registered" }).waitFor();
  assert.match(await page.locator("#token").textContent(), /^mo_/);
  await page.getByRole("link", { name: "To the agent", exact: true }).click();
  await page.getByText("Its card breaks v0.3 in 1 places").waitFor();
  await page.getByText("Agent card", { exact: true }).click();
  await page.locator("#agent-card-text").getByText("Says so itself").waitFor();
});

await story("a conflict leads to who has it and a bad field is marked", {}, async (page) => {
  await page.goto(`${base}/#register`);
  await page.getByLabel("Base URL").fill("https://A1.example.com/");
  await page.getByRole("textbox", { name: "Description" }).fill("again");
  await page.getByRole("button", { name: "Register" }).click();
  const holder = page.getByRole("link", { name: "See who has it" });
  await holder.waitFor();
  await page.getByLabel("Base URL").fill("ftp://x");
  await page.getByRole("button", { name: "Register" }).click();
  await page.locator("#base-url[aria-invalid=true]").waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.id), "base-url");
});

await story("the owner sees the history and deletes the agent", {}, async (page) => {
  const agent = await register(100);
  page.on("dialog", (dialog) => dialog.accept());
  await page.goto(`${base}/#agent/${agent.agent_id}`);
  await page.getByText("History and deletion (owner)").click();
  await page.getByLabel("Owner's token").fill("mo_wrong");
  await page.getByRole("button", { name: "Show history" }).click();
  await page.getByText(/not that of the agent's owner/).waitFor();
  await page.getByLabel("Owner's token").fill(agent.owner_token);
  await page.getByRole("button", { name: "Show history" }).click();
  await page.getByText(/register by anonymous/).waitFor();
  await page.getByRole("button", { name: "Delete the agent" }).click();
  await page.getByText(/of 27 agents/).waitFor();
  await page.goto(`${base}/#agent/${agent.agent_id}`);
  await page.getByRole("heading", { name: "This agent was deleted" }).waitFor();
});

await story("what another client registers appears by itself", {}, async (page) => {
  const following = page.waitForRequest(/wait=30/);
  await page.goto(base);
  await page.getByText(/of 27 agents/).waitFor();
  await following;
  await register(200, { agent_name: "Latecomer" });
  await page.getByRole("link", { name: "Latecomer" }).waitFor();
  await page.getByText("An agent was registered just now.").waitFor();
});

await story("the locks are shown at work", {}, async (page) => {
  await page.goto(`${base}/locks`);
  await page.getByRole("rowheader", { name: "claims" }).waitFor();
  const grants = async () => Number((await page.locator("#locks tr").first().locator("td").nth(3).textContent()).replace(/\D/g, ""));
  const before = await grants();
  await register(300);
  await page.waitForFunction((n) => Number(document.querySelector("#locks tr td:nth-child(5)").textContent.replace(/\D/g, "")) > n, before);
});

for (const [name, colorScheme] of [["on a phone", "light"], ["on a phone in the dark", "dark"]]) {
  await story(name, { viewport: { width: 360, height: 740 }, colorScheme }, async (page) => {
    await page.goto(base);
    await page.getByText(/20 of/).waitFor();
    await noSidewaysScrolling(page);
    await page.locator("#agents a").first().click();
    await page.locator("#agent-facts dd").first().waitFor();
    await noSidewaysScrolling(page);
    await page.goto(`${base}/#register`);
    await noSidewaysScrolling(page);
    await page.goto(`${base}/locks`);
    await page.getByRole("rowheader", { name: "claims" }).waitFor();
    await noSidewaysScrolling(page);
  });
}

await browser.close();
host.close();
const ended = new Promise((resolve) => { service.removeAllListeners("exit"); service.on("exit", resolve); });
service.kill("SIGTERM");
assert.equal(await ended, 0, "the service did not drain");
for (const each of complaints) console.error(`the page complains: ${each}`);
process.exit(failed > 0 || complaints.length > 0 ? 1 : 0);
