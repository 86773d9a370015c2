// The page: asks, follows a run's events, draws its plan, shows the cited answer.
// Whatever a model, a tool or a document wrote enters the page as text, never as HTML.

const api = new URL("../", location.href);
const page = (id) => document.getElementById(id);
let thread = new URLSearchParams(location.search).get("thread");
let following = null; // the run being read: {turn, stop: AbortController, id}

// ---------------------------------------------------------------- elements

const SVG = "http://www.w3.org/2000/svg";

function element(make, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) make.setAttribute(name, value);
  make.append(...children.filter((child) => child !== null && child !== ""));
  return make;
}
const tag = (name, attributes = {}, ...children) => element(document.createElement(name), attributes, children);
const shape = (name, attributes = {}, ...children) =>
  element(document.createElementNS(SVG, name), attributes, children);

// ---------------------------------------------------------------- words

const SIGNS = { ok: "✓", failed: "✕", skipped: "–", running: "…" };
const oneLine = (text) => text.replace(/\s+/g, " ").trim();
const asText = (value) => (typeof value === "string" ? value : JSON.stringify(value));
const cut = (text, most) => (text.length > most ? text.slice(0, most - 1).trimEnd() + "…" : text);
const counted = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
const closeUp = (text) => text.split("\n").filter((line) => line.trim()).join("\n");

function shortSeconds(seconds) {
  return seconds < 0.1 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`;
}

function briefArgs(args) {
  const parts = Object.entries(args).map(([name, value]) => [name, oneLine(asText(value))]);
  return parts.length === 1 ? parts[0][1] : parts.map(([name, value]) => `${name}: ${value}`).join(", ");
}

function outcome(state) {
  if (!state) return "";
  const said = state.status === "ok" ? shortSeconds(state.seconds) : state.status;
  return `${SIGNS[state.status]} ${state.attempt ? `try ${state.attempt}` : said}`;
}

// ---------------------------------------------------------------- the plan's graph

const BOX = { width: 264, height: 78 };
const PILL = { width: 116, height: 32 };
const LANE = { width: 14, height: 0 };
const GAP = { across: 26, down: 40, margin: 18 };
const REFERENCE = /(?<![\w#&])#(E[1-9]\d{0,3})(?!\w)/g;

const refersTo = (step) => new Set([...JSON.stringify(step.args).matchAll(REFERENCE)].map((match) => match[1]));

/** The arrows of a plan: [from, to, kind], kind being value, order or rim. */
function arrows(steps) {
  const drawn = [];
  const read = new Set();
  for (const step of steps) {
    const values = refersTo(step);
    for (const from of values) drawn.push([from, step.id, "value"]);
    for (const from of step.after ?? []) if (!values.has(from)) drawn.push([from, step.id, "order"]);
    const needs = [...values, ...(step.after ?? [])];
    needs.forEach((need) => read.add(need));
    if (!needs.length) drawn.push(["planner", step.id, "rim"]);
  }
  for (const step of steps) if (!read.has(step.id)) drawn.push([step.id, "solver", "rim"]);
  return drawn;
}

/** Rows of nodes, planner on top, each step below everything it needs, solver last. */
function rowsOf(steps, drawn) {
  const level = { planner: 0 };
  const known = new Set(steps.map((step) => step.id));
  for (const [from] of drawn) if (!known.has(from)) level[from] = 0;
  for (const step of steps) {
    const needs = drawn.filter(([, to]) => to === step.id).map(([from]) => level[from] ?? 0);
    level[step.id] = 1 + Math.max(0, ...needs);
  }
  level.solver = 1 + Math.max(0, ...Object.values(level));
  const rows = Array.from({ length: level.solver + 1 }, () => []);
  for (const [key, at] of Object.entries(level)) rows[at].push({ key, beside: [], x: 0 });
  return rows;
}

/** Where everything goes. A line that crosses rows keeps a lane free in each, so that it crosses no box. */
function layout(steps) {
  const drawn = arrows(steps);
  const rows = rowsOf(steps, drawn);
  const find = (key) => rows.flat().find((node) => node.key === key);
  const rowAt = (key) => rows.findIndex((row) => row.some((node) => node.key === key));
  const lines = drawn.map(([from, to, kind]) => {
    const chain = [find(from)];
    for (let at = rowAt(from) + 1; at < rowAt(to); at++) {
      chain.push({ key: null, beside: [], x: 0 });
      rows[at].push(chain.at(-1));
    }
    chain.push(find(to));
    chain.slice(1).forEach((node, at) => (node.beside.push(chain[at]), chain[at].beside.push(node)));
    return { chain, kind };
  });
  settle(rows);
  const nodes = rows.flat();
  const left = Math.min(...nodes.map((node) => node.x - size(node).width / 2)) - GAP.margin;
  let top = GAP.margin;
  for (const row of rows) {
    const tall = Math.max(...row.map((node) => size(node).height));
    for (const node of row) Object.assign(node, { x: node.x - left, y: top + tall / 2, tall });
    top += tall + GAP.down;
  }
  const width = Math.max(...nodes.map((node) => node.x + size(node).width / 2)) + GAP.margin;
  return { nodes: nodes.filter((node) => node.key), lines, width, height: top - GAP.down + GAP.margin };
}

const size = (node) =>
  node.key === null ? LANE : node.key === "planner" || node.key === "solver" ? PILL : BOX;

function settle(rows) {
  const wanted = (node, row) => {
    const near = node.beside.filter((other) => row.includes(other));
    return near.length ? near.reduce((sum, other) => sum + other.x, 0) / near.length : node.x;
  };
  rows.forEach((row) => pack(row, row.map(() => 0)));
  for (let sweep = 0; sweep < 8; sweep++) {
    const order = sweep % 2 ? [...rows.keys()].reverse().slice(1) : [...rows.keys()].slice(1);
    for (const at of order) {
      const by = rows[sweep % 2 ? at + 1 : at - 1];
      rows[at].sort((one, other) => wanted(one, by) - wanted(other, by));
      pack(rows[at], rows[at].map((node) => wanted(node, by)));
    }
  }
}

/** Put a row in order, each as near to where it wants to be as the one before it allows. */
function pack(row, wanted) {
  let edge = -Infinity;
  let pushed = 0;
  row.forEach((node, at) => {
    node.x = Math.max(wanted[at], edge + size(node).width / 2);
    pushed += (node.x - wanted[at]) / row.length;
    edge = node.x + size(node).width / 2 + GAP.across;
  });
  row.forEach((node) => (node.x -= pushed));
}

function curve({ chain }) {
  const points = chain.flatMap((node, at) => {
    const half = (node.key === null ? node.tall : size(node).height) / 2;
    if (at === 0) return [[node.x, node.y + half]];
    return at === chain.length - 1 ? [[node.x, node.y - half]] : [[node.x, node.y - half], [node.x, node.y + half]];
  });
  return points.map(([x, y], at) => {
    if (at === 0) return `M${x} ${y}`;
    const [fromX, fromY] = points[at - 1];
    const bend = (y - fromY) / 2;
    return `C${fromX} ${fromY + bend} ${x} ${y - bend} ${x} ${y}`;
  }).join(" ");
}

function arrowhead({ chain }) {
  const end = chain.at(-1);
  return `M${end.x} ${end.y - size(end).height / 2}l-5 -8.5h10z`;
}

function drawPlan(turn) {
  const steps = turn.plan?.steps ?? [];
  const { nodes, lines, width, height } = layout(steps);
  const picture = shape(
    "svg",
    { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": turn.plan?.strategy || "The plan" },
    ...lines.flatMap((line) => [
      shape("path", { d: curve(line), class: `line ${line.kind}` }),
      shape("path", { d: arrowhead(line), class: `head ${line.kind}` }),
    ]),
    ...nodes.map((node) => drawNode(node, steps, turn)),
  );
  picture.style.setProperty("--natural", `${width}px`);
  turn.parts.plan.replaceChildren(picture);
}

function drawNode(node, steps, turn) {
  const { width, height } = size(node);
  const [left, top] = [node.x - width / 2, node.y - height / 2];
  const step = steps.find((one) => one.id === node.key);
  const box = shape("rect", { x: left, y: top, width, height, rx: step ? 8 : 16, class: "box" });
  const words = (x, y, text, looks) => shape("text", { x, y, class: looks }, text);
  if (!step) {
    const pill = node.key === "planner" || node.key === "solver";
    const label = pill ? node.key : `${node.key} · earlier evidence`;
    return shape("g", { class: pill ? node.key : "earlier" }, box, words(node.x, node.y + 4.5, label, "role"));
  }
  const state = turn.state[step.id];
  const [first, second] = twoLines(briefArgs(step.args), 34);
  const drawn = shape(
    "g",
    { class: `step ${state?.status ?? "waiting"}` },
    shape("title", {}, step.reason ? `${briefArgs(step.args)} — ${step.reason}` : briefArgs(step.args)),
    box,
    words(left + 12, top + 23, cut(`${step.id} · ${step.tool}`, 34 - outcome(state).length), "tool"),
    words(left + width - 12, top + 23, outcome(state), "outcome"),
    words(left + 12, top + 44, first, "args"),
    words(left + 12, top + 61, second, "args"),
  );
  drawn.addEventListener("click", () => reveal(turn, step.id));
  return drawn;
}

function twoLines(text, most) {
  if (text.length <= most) return [text, ""];
  const space = text.lastIndexOf(" ", most);
  const at = space > most / 2 ? space : most;
  return [text.slice(0, at), cut(text.slice(at).trim(), most)];
}

// ---------------------------------------------------------------- one turn

function newTurn(task) {
  const parts = {
    mode: tag("p", { class: "quiet" }),
    notes: tag("div"),
    plan: tag("div", { class: "plan", hidden: "" }),
    approval: tag("div"),
    answer: tag("div", { "aria-live": "polite" }),
    evidence: tag("div"),
    facts: tag("p", { class: "quiet" }),
  };
  const turn = { task, plan: null, state: {}, evidence: {}, answer: null, draft: "", begun: false, parts };
  const { mode, plan, notes, approval, answer, facts, evidence } = parts;
  const whole = tag("article", { class: "turn" }, tag("h2", {}, task), mode, plan, notes, approval, answer, facts, evidence);
  page("welcome").hidden = true;
  page("turns").append(whole);
  whole.scrollIntoView({ behavior: "smooth" });
  return turn;
}

function note(turn, text, looks = "") {
  turn.parts.notes.append(tag("p", { class: `note ${looks}` }, text));
}

function showMode(turn, mode) {
  turn.parts.mode.textContent = mode === "extractive mode"
    ? "Extractive mode: no model is used. Rules write the plan, and the answer quotes the documents."
    : `Planned by ${mode}`;
}

function showPlan(turn) {
  turn.parts.plan.hidden = !turn.plan?.steps.length;
  drawPlan(turn);
}

function showDraft(turn) {
  turn.parts.answer.replaceChildren(turn.draft ? tag("div", { class: "answer draft" }, turn.draft) : "");
}

function showAnswer(turn) {
  const { answer } = turn;
  const shown = tag("div", { class: "answer" }, ...cited(turn));
  const reservations = [];
  if (answer.insufficient) reservations.push(`The evidence did not suffice. Missing: ${answer.insufficient}`);
  if (answer.unsupported.length) reservations.push(`Cites no evidence: ${answer.unsupported.join(" ")}`);
  const numbers = answer.unverified_numbers ?? [];
  if (numbers.length) reservations.push(`Numbers that stand in no evidence and that no step calculated: ${numbers.join(", ")}`);
  if (answer.forged.length) reservations.push(`Invented citations, removed: ${answer.forged.join(", ")}`);
  const notes = reservations.map((text) => tag("p", { class: "note bad" }, text));
  turn.parts.answer.replaceChildren(shown, ...notes);
}

/** The answer's text with a button for each citation; the n-th marker is its n-th citation. */
function cited(turn) {
  const waiting = {};
  for (const citation of turn.answer.citations) (waiting[citation.marker] ??= []).push(citation);
  return turn.answer.text.split(/(\[E\d+(?:\.\d+)?\])/).map((part, at) => {
    const queue = at % 2 ? waiting[part.slice(1, -1)] : null;
    if (!queue) return part;
    const citation = queue.length > 1 ? queue.shift() : queue[0];
    const button = tag("button", { type: "button", class: "cite", title: cut(citation.quote, 200) }, citation.marker);
    button.addEventListener("click", () => reveal(turn, citation.step, citation));
    return button;
  });
}

function showEvidence(turn) {
  const cites = turn.answer?.citations ?? [];
  const found = Object.values(turn.evidence).sort((one, other) => one.step.slice(1) - other.step.slice(1));
  turn.parts.evidence.replaceChildren(...found.map((one) => foundPart(one, cites)));
}

/** What one step found: its cited passages openly, the others folded away. */
function foundPart(one, cites) {
  const cited = (source) => cites.some((cite) => cite.step === one.step && cite.source && sameSource(cite.source, source));
  const shown = one.sources.map((source, at) => [cited(source), sourcePart(one.step, source, at + 1)]);
  const [open, folded] = [true, false].map((want) => shown.filter(([is]) => is === want).map(([, part]) => part));
  const text = one.status === "ok" ? asText(one.value) : one.error;
  return tag(
    "details",
    { class: `found ${one.status}`, "data-step": one.step },
    tag("summary", {}, `${one.step} · ${one.tool} `, tag("span", { class: "outcome" }, outcome(one)),
      one.sources.length ? tag("span", { class: "quiet" }, ` · ${counted(one.sources.length, "passage")}`) : ""),
    tag("p", { class: "quiet" }, tag("code", {}, cut(briefArgs(one.args), 300))),
    shown.length ? "" : tag("pre", {}, cut(text ?? "", 20000)),
    ...open,
    folded.length ? tag("details", {}, tag("summary", { class: "quiet" }, `${counted(folded.length, "passage")} not cited`), ...folded) : "",
  );
}

function sourcePart(step, source, number) {
  const where = [source.title, source.location, source.document].filter(Boolean).join(" · ");
  return tag("section", { class: "source", "data-source": number },
    tag("p", { class: "quiet" }, tag("b", {}, `${step}.${number}`), ` ${where}`),
    tag("blockquote", {}, closeUp(source.text)));
}

/** Open the evidence of a step and, for a citation, mark its sentence in its passage. */
function reveal(turn, step, citation = null) {
  const found = turn.parts.evidence.querySelector(`[data-step="${CSS.escape(step)}"]`);
  if (!found) return;
  found.open = true;
  document.querySelectorAll(".here").forEach((old) => old.classList.remove("here"));
  const sources = turn.evidence[step].sources;
  const at = citation?.source ? sources.findIndex((one) => sameSource(one, citation.source)) : -1;
  const place = at < 0 ? found : found.querySelector(`[data-source="${at + 1}"]`);
  if (at >= 0) markQuote(place.querySelector("blockquote"), closeUp(sources[at].text), closeUp(citation.quote));
  place.classList.add("here");
  place.scrollIntoView({ behavior: "smooth", block: "center" });
}

const sameSource = (one, other) =>
  one.document === other.document && one.passage === other.passage && one.text === other.text;

function markQuote(block, text, quote) {
  const at = quote ? text.indexOf(quote) : -1;
  if (at < 0) return;
  block.replaceChildren(text.slice(0, at), tag("mark", {}, quote), text.slice(at + quote.length));
}

function showFacts(turn, usage) {
  const models = Object.values(usage.roles);
  const tokens = models.reduce((sum, one) => sum + one.input_tokens + one.output_tokens, 0);
  const calls = models.reduce((sum, one) => sum + one.calls, 0);
  const facts = [shortSeconds(usage.seconds), counted(usage.tools.calls, "tool call"), counted(calls, "model call")];
  if (calls) facts.push(counted(tokens, "token"));
  turn.parts.facts.textContent = facts.join(" · ");
}

// ---------------------------------------------------------------- what a run tells

const heard = {
  run_started(turn, { mode }) {
    turn.begun = true;
    showMode(turn, mode);
  },
  plan_step_written(turn, { step }) {
    turn.plan = { strategy: "", ...turn.plan, steps: [...(turn.plan?.steps ?? []), step] };
    showPlan(turn);
  },
  plan_reset(turn, { reason, problems }) {
    note(turn, `The plan is written again: ${reason} ${problems.map((one) => one.message).join(" ")}`, "planner");
    for (const step of turn.plan?.steps ?? []) delete turn.state[step.id];
    turn.plan = null;
    showPlan(turn);
  },
  plan_ready(turn, { plan }) {
    turn.plan = plan;
    showPlan(turn);
  },
  step_started(turn, { step }) {
    turn.state[step] = { status: "running" };
    showPlan(turn);
  },
  step_retried(turn, { step, attempt }) {
    turn.state[step] = { status: "running", attempt: attempt + 1 };
    showPlan(turn);
  },
  step_finished(turn, event) {
    turn.state[event.step] = { status: event.status, seconds: event.seconds };
    showPlan(turn);
  },
  replanned(turn, { reason }) {
    note(turn, `A new plan, because ${reason}`, "planner");
    turn.plan = null;
  },
  model_fell_back(turn, { role, failed, next, reason }) {
    note(turn, `${role}: ${failed} failed (${reason}); ${next} goes on.`);
  },
  answer_text(turn, { text }) {
    turn.draft += text;
    showDraft(turn);
  },
  answer_reset(turn, { reason }) {
    turn.draft = "";
    showDraft(turn);
    note(turn, `The answer is written again: ${reason}`, "solver");
  },
  answer_ready(turn, { answer, usage }) {
    turn.answer = answer;
    showAnswer(turn);
    showFacts(turn, usage);
  },
};

/** Take over a state of the graph; before the run has begun it is still the turn before. */
function takeState(turn, values) {
  if (!turn.begun) return;
  if (values.plan) {
    turn.plan = values.plan;
    if (values.plan.author) showMode(turn, values.plan.author);
  }
  turn.evidence = values.evidence ?? {};
  for (const one of Object.values(turn.evidence)) turn.state[one.step] = one;
  showPlan(turn);
  if (values.answer) heard.answer_ready(turn, { answer: values.answer, usage: values.usage });
  showEvidence(turn);
  if (values.__interrupt__?.length) askApproval(turn, values.__interrupt__[0].value);
}

// ---------------------------------------------------------------- approval

function askApproval(turn, asked) {
  const plan = tag("textarea", { rows: Math.min(14, asked.plan.split("\n").length + 1), "aria-label": "The plan" });
  plan.value = asked.plan;
  const reason = tag("input", { placeholder: "Why not? The planner reads it.", "aria-label": "Reason" });
  const faulty = asked.problems.length > 0; // a plan that fails its check can be mended or rejected only
  const writing = asked.steps.filter((step) => step.writes).map((step) => `${step.id} (${step.tool})`);
  const buttons = {
    approve: tag("button", { type: "button" }, "Approve"),
    edit: tag("button", { type: "button", disabled: "" }, "Run my edit"),
    reject: tag("button", { type: "button", class: "plain" }, "Reject"),
  };
  buttons.approve.disabled = faulty;
  plan.addEventListener("input", () => {
    buttons.edit.disabled = plan.value === asked.plan;
    buttons.approve.disabled = faulty || !buttons.edit.disabled;
  });
  const answers = {
    approve: () => ({ decision: "approve" }),
    edit: () => ({ decision: "edit", plan: plan.value }),
    reject: () => ({ decision: "reject", reason: reason.value }),
  };
  for (const [decision, button] of Object.entries(buttons)) {
    button.addEventListener("click", () => {
      turn.parts.approval.replaceChildren();
      follow(turn, { command: { resume: answers[decision]() } });
    });
  }
  turn.parts.approval.replaceChildren(
    tag("div", { class: "approval" },
      tag("h3", {}, asked.question),
      tag("p", {}, writing.length ? `These steps write: ${writing.join(", ")}.` : "No step writes."),
      ...asked.problems.map((problem) => tag("p", { class: "note bad" }, problem)),
      plan,
      tag("div", { class: "controls" }, buttons.approve, buttons.edit, reason, buttons.reject)),
  );
  turn.parts.approval.scrollIntoView({ behavior: "smooth", block: "nearest" });
}

// ---------------------------------------------------------------- the server

const KEY = "agent-graph key"; // kept while the tab is open

/** Ask the server; when it wants a key, ask the person for one. */
async function call(path, body, signal) {
  const key = sessionStorage.getItem(KEY);
  const reply = await fetch(new URL(path, api), {
    method: body === undefined ? "GET" : "POST",
    headers: {
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...(key ? { "x-api-key": key } : {}),
    },
    body: body === undefined ? undefined : JSON.stringify(body),
    signal,
  });
  if (reply.ok) return reply;
  const detail = await reply.json().then((told) => told.detail, () => "");
  const given = reply.status === 401 ? prompt(`${detail}\n\nYour key:`)?.trim() : "";
  if (given) {
    sessionStorage.setItem(KEY, given);
    return call(path, body, signal);
  }
  throw new Error(`The server refused (${reply.status}). ${typeof detail === "string" ? detail : JSON.stringify(detail)}`);
}

/** Yield the server-sent events of a reply as {event, data}. */
async function* events(reply) {
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    buffer += value;
    const blocks = buffer.split(/\r?\n\r?\n/);
    buffer = blocks.pop();
    for (const block of blocks) {
      const lines = block.split(/\r?\n/);
      const field = (name) => lines.filter((line) => line.startsWith(`${name}:`)).map((line) => line.slice(name.length + 1).trim());
      if (field("data").length) yield { event: field("event")[0], data: JSON.parse(field("data").join("\n")) };
    }
  }
}

/** Start a run or resume one, and show what it tells until it ends or waits for a person. */
async function follow(turn, start) {
  following = { turn, stop: new AbortController(), id: null };
  busy(true);
  try {
    if (!thread) await openThread();
    const reply = await call(`threads/${thread}/runs/stream`, {
      assistant_id: "agent",
      stream_mode: ["custom", "values"],
      on_disconnect: "cancel",
      multitask_strategy: "reject",
      ...start,
    }, following.stop.signal);
    for await (const { event, data } of events(reply)) await hear(turn, event, data);
  } catch (error) {
    note(turn, error.name === "AbortError" ? "Stopped." : `${error.message}`, "bad");
  } finally {
    following = null;
    busy(false);
  }
}

async function hear(turn, event, data) {
  if (event === "metadata") following.id = data.run_id;
  else if (event === "custom") heard[data.type]?.(turn, data);
  else if (event === "values") takeState(turn, data);
  else if (event === "error") throw new Error(`The run failed. ${await why(data)}`);
}

/** Why the run failed: some servers' streams name the kind of error only, and keep the sentence with the run. */
async function why(told) {
  const kept = await call(`threads/${thread}/runs/${following.id}`).then((reply) => reply.json(), () => ({}));
  return kept.error_message ?? told.message ?? told.error ?? "";
}

async function openThread() {
  thread = (await (await call("threads", {})).json()).thread_id;
  history.replaceState(null, "", `?thread=${encodeURIComponent(thread)}`);
}

/** Show a thread again: earlier turns by their words, the last one with its whole run. */
async function showThread() {
  const { values, tasks } = await (await call(`threads/${encodeURIComponent(thread)}/state`)).json();
  const messages = values.messages ?? [];
  const questions = messages.flatMap((message, at) => (message.type === "human" ? [at] : []));
  for (const at of questions) {
    const turn = newTurn(asText(messages[at].content));
    const reply = messages[at + 1];
    if (at !== questions.at(-1)) {
      turn.parts.answer.append(tag("div", { class: "answer" }, asText(reply?.content ?? "")));
      continue;
    }
    turn.begun = true;
    const waiting = (tasks ?? []).flatMap((task) => task.interrupts ?? []);
    takeState(turn, { ...values, __interrupt__: waiting });
  }
}

// ---------------------------------------------------------------- the form

function busy(yes) {
  page("send").disabled = yes;
  page("stop").hidden = !yes;
}

function submit() {
  const task = page("question").value.trim();
  if (!task || following) return;
  page("question").value = "";
  document.querySelectorAll(".approval").forEach((old) => old.remove());
  follow(newTurn(task), {
    input: { messages: [{ role: "user", content: task }] },
    context: { approval: page("approval").value },
  });
}

page("ask").addEventListener("submit", (event) => (event.preventDefault(), submit()));
page("question").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) event.preventDefault(), submit();
});
page("stop").addEventListener("click", async () => {
  const { id, stop } = following;
  if (id) await call(`threads/${thread}/runs/${id}/cancel`, {}).catch((error) => note(following.turn, error.message, "bad"));
  stop.abort();
});
page("fresh").addEventListener("click", () => location.assign(location.pathname));
if (thread) {
  showThread().catch((error) => {
    page("welcome").textContent = `${error.message} Start a new conversation.`;
  });
}
