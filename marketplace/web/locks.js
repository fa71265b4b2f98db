// SPDX-License-Identifier: BSL-1.0

// The page of the locks: asks /v1/locks every second while somebody looks.

const $ = (id) => document.getElementById(id);
const rows = new Map();
let isPaused = false;

function duration(us) {
  if (!us) return "–";
  const digits = (value) => (value < 10 ? value.toFixed(1) : Math.round(value).toString());
  if (us < 1000) return `${digits(us)} µs`;
  if (us < 1e6) return `${digits(us / 1000)} ms`;
  return `${digits(us / 1e6)} s`;
}

function rowOf(name) {
  if (!rows.has(name)) {
    const row = document.createElement("tr");
    const title = document.createElement("th");
    title.scope = "row";
    title.textContent = name;
    row.append(title, ...Array.from({ length: 9 }, () => document.createElement("td")));
    const meter = document.createElement("meter");
    meter.min = 0;
    meter.max = 16;
    const count = document.createElement("span");
    row.cells[3].append(meter, " ", count);
    $("locks").append(row);
    rows.set(name, { row, meter, count });
  }
  return rows.get(name);
}

function show(locks) {
  for (const lock of locks) {
    const { row, meter, count } = rowOf(lock.name);
    row.cells[1].textContent = lock.kind;
    row.cells[2].textContent = lock.held;
    meter.max = Math.max(meter.max, lock.waiters);
    meter.value = lock.waiters;
    meter.textContent = String(lock.waiters);
    meter.setAttribute("aria-label", `waiting for ${lock.name}`);
    count.textContent = lock.waiters;
    row.cells[4].textContent = lock.waits.count.toLocaleString();
    row.cells[5].textContent = duration(lock.waits.p50_us);
    row.cells[6].textContent = duration(lock.waits.p99_us);
    row.cells[7].textContent = duration(lock.holds.p50_us);
    row.cells[8].textContent = duration(lock.holds.p99_us);
    row.cells[9].textContent = lock.holders.map((holder) => holder.where).join(", ") || "–";
  }
}

async function look() {
  if (isPaused || document.hidden) return;
  try {
    const response = await fetch("/v1/locks");
    const { locks, uptime_s: uptime } = await response.json();
    show(locks);
    const text = `Live, up for ${Math.floor(uptime / 60)} minutes.`;
    if ($("state").textContent !== text) $("state").textContent = text;
  } catch {
    $("state").textContent = "The service does not answer; still trying.";
  }
}

$("pause").addEventListener("click", () => {
  isPaused = !isPaused;
  $("pause").setAttribute("aria-pressed", String(isPaused));
  $("pause").textContent = isPaused ? "Go on" : "Pause";
  if (isPaused) $("state").textContent = "Paused.";
});

look();
setInterval(look, 1000);
