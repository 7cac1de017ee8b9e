// Fills the page from status.json, once a second. Text goes in as text only, never as markup.
"use strict";

const EVERY_MS = 1000;
const SPAN_S = { least: 60, most: 300 }; // what the graphs show
const WIDTH = 600, HEIGHT = 150; // of the graphs' own coordinates

const byId = (id) => document.getElementById(id);
const history = []; // { time, connections, rate }, oldest first
let last = null; // the document before this one

function put(id, text, unit) {
  const element = byId(id);
  element.textContent = text;
  if (unit) {
    const span = document.createElement("span");
    span.className = "unit";
    span.textContent = unit;
    element.append(span);
  }
}

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });

function bytes(count) {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let unit = 0;
  while (count >= 1000 && unit < units.length - 1) {
    count /= 1000;
    unit += 1;
  }
  return [unit === 0 ? whole.format(count) : short.format(count), units[unit]];
}

function span(seconds) {
  const parts = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const first = Math.max(0, parts.findIndex(([size]) => seconds >= size));
  const from = seconds < 1 ? parts.length - 1 : first;
  const [size, unit] = parts[from];
  const texts = [`${Math.floor(seconds / size)} ${unit}`];
  if (from + 1 < parts.length) {
    const [next, nextUnit] = parts[from + 1];
    const rest = Math.floor((seconds % size) / next);
    if (rest > 0) texts.push(`${rest} ${nextUnit}`);
  }
  return texts.join(" ");
}

// A figure's growth per second since the document before; 0 when the server was restarted.
function perSecond(now, before, name, seconds) {
  return before && seconds > 0 ? Math.max(0, now[name] - before[name]) / seconds : 0;
}

function show(status) {
  const total = status.total;
  const restarted = last && status.uptime_seconds < last.uptime_seconds;
  const before = restarted ? null : last;
  const seconds = before ? status.time - before.time : 0;
  const rate = perSecond(total, before && before.total, "http_requests", seconds);

  put("version", status.version);
  put("where", `${status.addresses.join(", ")} · ${status.engine} · ` +
    `${status.shards.length} ${status.shards.length === 1 ? "shard" : "shards"}`);
  byId("where").title = status.engine_reason;
  setState(status.state, status.state);

  put("connections", whole.format(total.connections));
  put("connections-detail", `of ${whole.format(status.max_connections)} possible · ` +
    `${whole.format(total.accepted)} accepted so far`);
  put("rate", before ? whole.format(rate) : "–");
  const flow = (name) => bytes(perSecond(total, before && before.total, name, seconds)).join(" ");
  put("rate-detail", `${whole.format(total.http_requests)} so far · ` +
    `${flow("received_bytes")}/s in · ${flow("sent_bytes")}/s out`);
  const each = status.bytes_per_connection;
  put("each", each === null ? "–" : whole.format(each), each === null ? "" : "B");
  const held = bytes(total.connection_bytes - status.base_bytes).join(" ");
  put("each-detail", `${held} and ${bytes(status.base_bytes).join(" ")} of buffers`);
  if (status.resident_bytes !== null) put("memory", ...bytes(status.resident_bytes));
  const busy = before && seconds > 0 ? (status.cpu_seconds - before.cpu_seconds) / seconds : null;
  put("cpu", busy === null ? "–" : whole.format(100 * busy), busy === null ? "" : "%");
  put("uptime", span(status.uptime_seconds));
  const start = new Date((status.time - status.uptime_seconds) * 1000);
  put("since", `since ${start.toLocaleString()}`);

  if (restarted) history.length = 0;
  history.push({ time: status.time, connections: total.connections, rate: before ? rate : null });
  while (history[0].time < status.time - SPAN_S.most - 2) history.shift();
  graph("connections", (point) => point.connections);
  graph("rate", (point) => point.rate);
  shards(status, before, seconds);
  answers(total);
  files(total);
  network(total);
  last = status;
}

function svg(name, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

// The least round number that is not below the value.
function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 1.5, 2, 3, 4, 6, 8, 10].map((step) => step * power).find((top) => top >= value);
}

function graph(name, pick) {
  const points = history.filter((point) => pick(point) !== null);
  const top = roundUp(1.05 * Math.max(9, ...points.map(pick)));
  const end = history[history.length - 1].time;
  const shown = Math.min(SPAN_S.most, Math.max(SPAN_S.least, end - history[0].time));
  const x = (point) => (WIDTH * (1 - (end - point.time) / shown)).toFixed(1);
  const y = (point) => (HEIGHT - 2 - (HEIGHT - 4) * pick(point) / top).toFixed(1);
  const parts = [0.25, 0.5, 0.75].map((part) => svg("line",
    { class: "grid", x1: 0, x2: WIDTH, y1: HEIGHT * part, y2: HEIGHT * part }));
  if (points.length > 1) {
    const line = points.map((point) => `${x(point)},${y(point)}`).join(" ");
    const [from, to] = [x(points[0]), x(points[points.length - 1])];
    parts.push(svg("polygon", { class: "area", points: `${from},${HEIGHT} ${line} ${to},${HEIGHT}` }));
    parts.push(svg("polyline", { class: "line", points: line }));
  }
  byId(`${name}-graph`).replaceChildren(...parts);
  put(`${name}-top`, `up to ${whole.format(top)}`);
  put(`${name}-start`, `${span(shown)} ago`);
}

function row(texts, sum) {
  const line = document.createElement("tr");
  if (sum) line.className = "sum";
  for (const text of texts) {
    const cell = document.createElement("td");
    cell.textContent = text;
    line.append(cell);
  }
  return line;
}

function shards(status, before, seconds) {
  const cells = (title, cpu, now, then) => {
    const flow = (name) => bytes(perSecond(now, then, name, seconds)).join(" ");
    return [title, cpu, whole.format(now.connections), whole.format(now.accepted),
      whole.format(perSecond(now, then, "http_requests", seconds)),
      whole.format(now.http_requests), flow("received_bytes"), flow("sent_bytes"),
      whole.format(now.refused_full + now.refused_client), whole.format(now.reset),
      bytes(now.connection_bytes).join(" ")];
  };
  const rows = status.shards.map((shard) => {
    const then = before && before.shards.find((other) => other.shard === shard.shard);
    return row(cells(shard.shard, shard.cpu ?? "any CPU", shard, then));
  });
  if (rows.length > 1) rows.push(row(cells("all", "", status.total, before && before.total), true));
  byId("shards").replaceChildren(...rows);
}

function answers(total) {
  const refused = Object.keys(total).filter((name) => name.startsWith("http_refused_"))
    .reduce((sum, name) => sum + total[name], 0);
  const entries = [
    ["2xx", total.http_responses_2xx], ["3xx", total.http_responses_3xx],
    ["4xx", total.http_responses_4xx], ["5xx", total.http_responses_5xx],
    ["refused by the protocol", refused], ["readers too slow", total.http_slow_readers],
    ["idle too long", total.http_idle_closed], ["under way", total.http_exchanges],
  ];
  list("answers", entries);
}

function files(total) {
  list("files", [
    ["from the cache", total.site_cache_hits], ["looked up on disk", total.site_cache_misses],
    ["pages in the cache", total.site_cache_pages], ["files open", total.site_open_files],
    ["compressions", total.site_compressions], ["refused for want of disk", total.site_refused_jobs],
    ["log lines lost", total.site_lost_log_lines],
  ]);
}

// What crore's own stack tells; the kernel's tells nothing of the kind.
function network(total) {
  const own = "stack_packets_in" in total;
  byId("network").hidden = !own;
  if (!own) return;
  const start = "stack_dropped_";
  const drops = Object.keys(total).filter((name) => name.startsWith(start) && total[name] > 0);
  list("packets", [
    ["packets in", total.stack_packets_in], ["packets out", total.stack_packets_out],
    ["segments sent again", total.stack_retransmitted],
    ["connections at work", total.stack_working], ["in TIME-WAIT", total.stack_time_wait],
    ["buffers in use", total.stack_buffers],
    ...drops.map((name) => [`dropped: ${name.slice(start.length).replaceAll("_", " ")}`, total[name]]),
  ]);
}

function list(id, entries) {
  byId(id).replaceChildren(...entries.map(([name, value]) => {
    const group = document.createElement("div");
    const [term, number] = [document.createElement("dt"), document.createElement("dd")];
    term.textContent = name;
    number.textContent = whole.format(value);
    group.append(term, number);
    return group;
  }));
}

function setState(name, text) {
  byId("state").className = `state ${name}`;
  if (byId("state").textContent !== text) byId("state").textContent = text;
  document.body.className = name === "lost" ? "stale" : "";
}

async function tick() {
  try {
    const response = await fetch("status.json", { cache: "no-store" });
    if (!response.ok) throw new Error(`status ${response.status}`);
    show(await response.json());
  } catch {
    setState("lost", "no answer");
  }
  setTimeout(tick, EVERY_MS);
}

tick();
