// SPDX-License-Identifier: BSL-1.0

// The marketplace's page: agents, one agent, registering. It knows nothing but the API.
// Texts of strangers reach the page as text nodes only.

const $ = (id) => document.getElementById(id);
const element = (name, text, className) => {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
};

class Refused extends Error {
  constructor(problem, status) {
    super(problem.detail || problem.title || `status ${status}`);
    this.status = status;
    this.errors = problem.errors || [];
    this.conflict = problem.conflict;
  }
}

async function api(path, options = {}) {
  const init = { headers: { Accept: "application/json", ...options.headers }, signal: options.signal };
  if (options.method) init.method = options.method;
  if (options.body !== undefined) {
    init.body = JSON.stringify(options.body);
    init.headers["Content-Type"] = "application/json";
  }
  const response = await fetch(path, init);
  if (response.status === 204) return null;
  const text = await response.text();
  let parsed;
  try { parsed = JSON.parse(text); } catch { parsed = { detail: text.slice(0, 200) }; }
  if (!response.ok) throw new Refused(parsed, response.status);
  return parsed;
}

const nameOf = (agent) => agent.agent_name || agent.base_url;
const healthBadge = (agent) => element("span", agent.health, `badge ${agent.health}`);
const time = (text) => (text ? new Date(text).toLocaleString() : "never");

// ------------------------------------------------------------------------------------ the list

const list = { cursor: null, tag: "", query: "", health: "", shown: 0 };

function listPath(cursor) {
  const parameters = new URLSearchParams({ limit: "20", total: "true" });
  if (list.query) parameters.set("q", list.query);
  if (list.tag) parameters.set("tag", list.tag);
  if (list.health) parameters.set("health", list.health);
  if (cursor) parameters.set("cursor", cursor);
  return `/v1/agents?${parameters}`;
}

function item(agent, isFresh) {
  const li = element("li", undefined, isFresh ? "fresh" : "");
  const title = element("h3");
  const link = element("a", nameOf(agent));
  link.href = `/#agent/${agent.agent_id}`;
  title.append(link);
  li.append(title, element("p", agent.base_url, "url"), element("p", agent.description));
  const badges = element("p");
  badges.append(healthBadge(agent));
  if (agent.status !== "active") badges.append(element("span", agent.status, "badge"));
  for (const tag of agent.tags) badges.append(element("span", tag, "badge"));
  li.append(badges);
  return li;
}

async function showList(append = false) {
  try {
    const page = await api(listPath(append ? list.cursor : null));
    if (!append) { $("agents").replaceChildren(); list.shown = 0; }
    $("agents").append(...page.agents.map((agent) => item(agent, false)));
    list.shown += page.agents.length;
    list.cursor = page.next_cursor;
    $("more").hidden = !page.next_cursor;
    $("summary").textContent =
      page.total === 0 ? "No agent is like that." : `${list.shown} of ${page.total} agents`;
  } catch (error) {
    $("summary").textContent = `The agents could not be read: ${error.message}`;
  }
}

async function showTags() {
  try {
    const { tags } = await api("/v1/tags?limit=20");
    $("tags").replaceChildren(...tags.map(({ tag, agents }) => {
      const button = element("button", `${tag} ${agents}`);
      button.type = "button";
      button.dataset.tag = tag;
      button.setAttribute("aria-pressed", String(tag === list.tag));
      button.addEventListener("click", () => {
        list.tag = list.tag === tag ? "" : tag;
        for (const each of $("tags").children) {
          each.setAttribute("aria-pressed", String(each.dataset.tag === list.tag));
        }
        showList();
      });
      return button;
    }));
  } catch { /* the list says what is wrong */ }
}

$("search").addEventListener("submit", (event) => {
  event.preventDefault();
  list.query = $("q").value.trim();
  list.health = $("health").value;
  showList();
});
$("health").addEventListener("change", () => $("search").requestSubmit());
$("more").addEventListener("click", async () => {
  const before = $("agents").children.length;
  await showList(true);
  $("agents").children[before]?.querySelector("a")?.focus();
});

// ----------------------------------------------------------------------------------- one agent

let current = null;

function facts(pairs) {
  const parts = [];
  for (const [name, value] of pairs) {
    if (value === undefined || value === null || value === "") continue;
    parts.push(element("dt", name), element("dd", String(value)));
  }
  return parts;
}

async function showAgent(id) {
  $("agent-title").textContent = "…";
  try {
    const agent = await api(`/v1/agents/${encodeURIComponent(id)}`);
    current = agent;
    $("agent-title").textContent = nameOf(agent);
    document.title = `${nameOf(agent)} · Agent marketplace`;
    $("agent-badges").replaceChildren(healthBadge(agent), element("span", agent.status, "badge"),
      ...agent.tags.map((tag) => element("span", tag, "badge")));
    $("agent-description").textContent = agent.description;
    $("agent-facts").replaceChildren(...facts([
      ["Base URL", agent.base_url], ["Id", agent.agent_id], ["URN", agent.urn],
      ["Version", agent.version], ["Provider", agent.provider],
      ["Capabilities", (agent.capabilities || []).join(", ")],
      ["Skills", (agent.skills || []).map((skill) => skill.name || skill.id).join(", ")],
      ["Registered", time(agent.registered_at)], ["Updated", time(agent.last_updated_at)],
      ["Last heartbeat", time(agent.last_seen_at)],
    ]));
    const card = agent.card;
    $("agent-violations").replaceChildren();
    if (card && card.violations.length > 0) {
      const ul = element("ul");
      ul.append(...card.violations.map((text) => element("li", text)));
      const box = element("details");
      box.append(element("summary", `Its card breaks ${card.shape} in ${card.violations.length} places`), ul);
      $("agent-violations").append(box);
    }
    $("agent-curl").textContent =
      `curl ${location.origin}/v1/agents/${agent.agent_id}`;
    $("agent-card").hidden = !card;
    $("agent-card").open = false;
    $("agent-card-text").textContent = "";
    $("history").replaceChildren();
    $("owner-error").textContent = "";
    $("agent-title").focus();
  } catch (error) {
    current = null;
    $("agent-title").textContent = error.status === 410 ? "This agent was deleted" : "There is no such agent";
    for (const part of ["agent-badges", "agent-facts", "agent-violations", "history"]) $(part).replaceChildren();
    $("agent-description").textContent = error.message;
  }
}

$("agent-card").addEventListener("toggle", async () => {
  if (!$("agent-card").open || !current || $("agent-card-text").textContent) return;
  try {
    $("agent-card-text").textContent = JSON.stringify(await api(`/v1/agents/${current.agent_id}/card`), null, 2);
  } catch (error) {
    $("agent-card-text").textContent = error.message;
  }
});

const asOwner = () => ({ Authorization: `Bearer ${$("owner-token").value.trim()}` });

$("owner-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  $("owner-error").textContent = "";
  try {
    const { entries } = await api(`/v1/agents/${current.agent_id}/history`, { headers: asOwner() });
    $("history").replaceChildren(...entries.map((entry) =>
      element("li", `${time(entry.at)}: ${entry.action} by ${entry.actor}` +
        (entry.after ? `, version ${entry.after.version}` : ""))));
  } catch (error) {
    $("owner-error").textContent = error.message;
  }
});

$("delete-agent").addEventListener("click", async () => {
  if (!current || !confirm(`Delete ${nameOf(current)}? Its id can never be used again.`)) return;
  try {
    await api(`/v1/agents/${current.agent_id}`, { method: "DELETE", headers: asOwner() });
    location.hash = "";
  } catch (error) {
    $("owner-error").textContent = error.message;
  }
});

function copies(button, source) {
  $(button).addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText($(source).textContent);
      $(button).textContent = "Copied";
    } catch {
      getSelection().selectAllChildren($(source));
      $(button).textContent = "Selected: copy it with your keyboard";
    }
    setTimeout(() => { $(button).textContent = "Copy"; }, 2000);
  });
}
copies("copy-curl", "agent-curl");
copies("copy-token", "token");

// --------------------------------------------------------------------------------- registering

const fields = { "/agent_name": "name", "/base_url": "base-url", "/description": "description", "/tags": "tag-list" };
let previewed = null;

function clearErrors() {
  for (const id of Object.values(fields)) {
    $(id).removeAttribute("aria-invalid");
    $(`${id}-error`).textContent = "";
  }
  $("register-error").textContent = "";
}

function showErrors(error) {
  let first = null;
  const rest = [];
  for (const each of error.errors) {
    const id = Object.entries(fields).find(([pointer]) => each.pointer.startsWith(pointer))?.[1];
    if (id) {
      $(id).setAttribute("aria-invalid", "true");
      $(`${id}-error`).textContent = each.message;
      first ??= $(id);
    } else {
      rest.push(each.message);
    }
  }
  if (error.conflict) {
    const box = $("register-error");
    box.replaceChildren(element("span", `${error.conflict.field} is taken already. `));
    if (error.conflict.existing_agent_id) {
      const link = element("a", "See who has it");
      link.href = `/#agent/${error.conflict.existing_agent_id}`;
      box.append(link);
    }
  } else if (rest.length > 0 || !first) {
    $("register-error").textContent = rest.join("; ") || error.message;
  }
  first?.focus();
}

$("preview").addEventListener("click", async () => {
  const url = $("card-url").value.trim();
  $("preview-error").textContent = "";
  $("preview-result").hidden = true;
  previewed = null;
  if (!url) {
    $("preview-error").textContent = "Write the address first.";
    $("card-url").focus();
    return;
  }
  $("preview").disabled = true;
  try {
    const body = url.endsWith(".json") ? { card_url: url } : { base_url: url };
    const result = await api("/v1/cards/preview", { method: "POST", body });
    previewed = result;
    $("preview-summary").textContent =
      `${result.agent_name || "A card without a name"}: ${result.shape} card, ` +
      (result.violations.length === 0 ? "as the standard wants it" : `${result.violations.length} violations`);
    $("preview-violations").replaceChildren(...result.violations.map((text) => element("li", text)));
    $("preview-card").textContent = JSON.stringify(result.card, null, 2);
    $("preview-result").hidden = false;
    $("name").value = result.agent_name;
    $("description").value = result.description;
    $("base-url").value = url.endsWith(".json") ? result.base_url : url;
    $("tag-list").value = result.tags.join(", ");
  } catch (error) {
    $("preview-error").textContent = error.message;
  } finally {
    $("preview").disabled = false;
  }
});

$("register").addEventListener("submit", async (event) => {
  event.preventDefault();
  clearErrors();
  const body = {
    agent_name: $("name").value,
    base_url: $("base-url").value.trim(),
    description: $("description").value,
    tags: $("tag-list").value.split(",").map((tag) => tag.trim()).filter(Boolean),
  };
  if (previewed && $("with-card").checked) body.card = previewed.card;
  const button = event.submitter;
  if (button) button.disabled = true;
  try {
    const agent = await api("/v1/agents", {
      method: "POST", body, headers: { "Idempotency-Key": crypto.randomUUID?.() ?? String(Math.random()) },
    });
    $("register").hidden = true;
    $("registered").hidden = false;
    $("token").textContent = agent.owner_token;
    $("registered-link").href = `/#agent/${agent.agent_id}`;
    $("registered-title").focus();
  } catch (error) {
    showErrors(error);
  } finally {
    if (button) button.disabled = false;
  }
});

function showRegister() {
  document.title = "Register · Agent marketplace";
  clearErrors();
  $("register").reset();
  $("register").hidden = false;
  $("registered").hidden = true;
  $("preview-result").hidden = true;
  previewed = null;
  $("register-title").focus();
}

// -------------------------------------------------------------------------------- what is shown

function route() {
  const at = location.hash.slice(1);
  const isAgent = at.startsWith("agent/");
  const isRegister = at === "register";
  $("list-view").hidden = isAgent || isRegister;
  $("agent-view").hidden = !isAgent;
  $("register-view").hidden = !isRegister;
  const here = isRegister ? "nav-register" : "nav-agents";
  for (const id of ["nav-agents", "nav-register"]) {
    if (id === here) $(id).setAttribute("aria-current", "page");
    else $(id).removeAttribute("aria-current");
  }
  if (isAgent) {
    showAgent(decodeURIComponent(at.slice("agent/".length)));
  } else if (isRegister) {
    showRegister();
  } else {
    document.title = "Agent marketplace";
    current = null;
    showList();
    showTags();
  }
}

addEventListener("hashchange", route);
route();

const sleep = (ms) => new Promise((resume) => { setTimeout(resume, ms); });

// Live: the feed of changes, by long poll. After an error it waits, longer each time.
async function follow() {
  let since = null;
  let pause = 1000;
  for (;;) {
    try {
      if (since === null) since = (await api("/v1/changes?since=9007199254740991&limit=1")).last;
      const { changes, last } = await api(`/v1/changes?since=${since}&wait=30`);
      since = Math.max(since, last);
      pause = 1000;
      if (changes.length === 0) continue;
      const latest = changes[changes.length - 1];
      $("news").textContent = changes.length === 1
        ? `An agent was ${latest.kind === "health" ? "heard of, or missed" : latest.kind} just now.`
        : `${changes.length} changes just now.`;
      // What somebody is at work in is not taken from under their hands.
      const isBusy = $("main").contains(document.activeElement) && document.activeElement !== $("main") &&
        document.activeElement !== $("agent-title");
      if (isBusy) continue;
      if (!$("list-view").hidden && list.shown <= 20) { await showList(); await showTags(); }
      if (current && changes.some((change) => change.agent_id === current.agent_id && change.kind !== "health")) {
        await showAgent(current.agent_id);
      }
      await sleep(1000);  // a registry at work changes all the time: once a second is live enough
    } catch {
      await sleep(pause);
      pause = Math.min(pause * 2, 30000);
    }
  }
}
follow();
