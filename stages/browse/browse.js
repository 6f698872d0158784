// The page: its state is its address, so that a link shows the same clips to others, and to oneself tomorrow.

import { ClipPanel } from "./clip.js";
import { Filters, valueName } from "./filters.js";
import { element, Grid, short, whole } from "./grid.js";

const $ = (id) => document.getElementById(id);
const TYPED_MS = 250; // after the last key, until the search begins
const OWN = ["clip"]; // parameters that the server does not see
const FIRST = 60; // clips that come with the counts
const LOOK_S = 15; // between looks for new clips

let known = JSON.parse($("known").textContent); // what there is to filter by; it comes with the page
let filters = null;
let state = new URLSearchParams(location.search);
let asked = null; // aborts the requests for an earlier state
let retry = null;

export const aloud = (text) => { $("said-aloud").textContent = text; };

const query = (more = {}) => {
  const made = new URLSearchParams(state);
  for (const name of OWN) made.delete(name);
  for (const [name, value] of Object.entries(more)) made.set(name, value);
  return made.toString();
};

async function get(path, options = {}) {
  const response = await fetch(path, options);
  if (response.ok) return response.json();
  const text = await response.text();
  let why = text;
  try { why = JSON.parse(text).detail; } catch { /* it is a sentence */ }
  const error = new Error(typeof why === "string" ? why : "the server did not understand the request");
  error.status = response.status;
  throw error;
}

const address = (parameters) => `/${parameters.size ? `?${parameters}` : ""}`;

function go(change, how = "push") {
  change(state);
  const url = address(state);
  if (how === "push") history.pushState({}, "", url);
  else history.replaceState(history.state, "", url);
}

// Filters ---------------------------------------------------------------------------------------------------

function choose(name, values, how = "push") {
  go((to) => {
    to.delete(name);
    for (const value of values) to.append(name, value);
  }, how);
  window.scrollTo({ top: 0, behavior: "instant" });
  refresh();
}

function chips() {
  const made = [];
  const add = (name, value, text) => {
    const button = element("button", { type: "button", class: "chip", "aria-label": `Remove ${text}` }, text, element("span", { class: "cross", "aria-hidden": true, text: "×" }));
    button.addEventListener("click", () => choose(name, state.getAll(name).filter((other) => other !== value)));
    made.push(element("li", {}, button));
  };
  for (const [name, value] of state) {
    if (OWN.includes(name) || name === "sort" || !value && name === "text") continue;
    const title = known.facets[name]?.title ?? known.numbers[name]?.title ?? { text: "search", video: "video" }[name] ?? name;
    const [least, most] = value.split("..");
    const range = !known.numbers[name] ? value : value === "none" ? "not known" : most === undefined ? value : !least ? `at most ${most}` : !most ? `at least ${least}` : `${least} to ${most}`;
    add(name, value, `${title.toLowerCase()}: ${known.facets[name] ? valueName(name, value) : range}`);
  }
  if (made.length > 1) {
    const all = element("button", { type: "button", class: "plain small", text: "Clear all" });
    all.addEventListener("click", clear);
    made.push(element("li", {}, all));
  }
  $("chips").replaceChildren(...made);
  $("show-filters").textContent = made.length ? `Filters · ${made.length > 1 ? made.length - 1 : 1}` : "Filters";
}

// A link may name a number by a gate that limits it; the address then says what it is.
function rename(text) {
  go((to) => {
    const clip = to.get("clip");
    for (const name of [...to.keys()]) to.delete(name);
    for (const [name, value] of new URLSearchParams(text)) to.append(name, value);
    if (clip) to.set("clip", clip);
  }, "replace");
  chips();
  sorting();
}

function clear() {
  const sort = state.get("sort");
  go((to) => { for (const name of [...to.keys()]) to.delete(name); if (sort) to.set("sort", sort); });
  refresh();
}

function sorting() {
  const value = state.get("sort") ?? "", name = value.replace(/^-/, "");
  const select = $("sort");
  if (!select.options.length) {
    const options = [["", "clip id"], ["name", "name"], ...Object.entries(known.numbers).filter(([, it]) => it.bins.length).map(([each, it]) => [each, it.title])];
    select.replaceChildren(...options.map(([each, title]) => element("option", { value: each, text: `Sort by ${title}` })));
  }
  select.value = name;
  const down = value.startsWith("-");
  $("direction").hidden = !name;
  $("direction").textContent = down ? "↓" : "↑";
  $("direction").setAttribute("aria-label", down ? "Largest first; change to smallest first" : "Smallest first; change to largest first");
}

// Clips -----------------------------------------------------------------------------------------------------

const grid = new Grid($("grid"), {
  load: async (offset, limit) => (await get(`/api/clips?${query({ offset, limit })}`)).clips,
  href: (id) => {
    const to = new URLSearchParams(state);
    to.set("clip", id);
    return address(to);
  },
  open: (id) => open(id, "push"),
  note: (clip) => {
    const name = (state.get("sort") ?? "").replace(/^-/, "");
    return known.numbers[name] && name !== "duration_s" && clip.value !== null ? short(clip.value) : "";
  },
});

async function refresh() {
  asked?.abort();
  asked = new AbortController();
  const { signal } = asked;
  retry = null;
  try {
    const answers = [
      get(`/api/clips?${query({ offset: 0, limit: FIRST })}`, { signal }),
      get(`/api/counts?${query()}`, { signal }),
    ];
    for (const answer of answers) answer.catch(() => {}); // it is awaited below
    filters ??= new Filters(known, choose);
    if (document.activeElement !== $("text")) $("text").value = state.get("text") ?? "";
    sorting();
    chips();
    filters.update(state, null);
    $("ids").href = `/ids.txt?${query()}`;
    const [found, counts] = await Promise.all(answers);
    if (found.edition !== known.edition) {
      known = await get("/api/index", { signal });
      filters = null;
      return refresh();
    }
    if (found.query !== query()) rename(found.query);
    $("found").textContent = found.found === known.clips ? `${whole(known.clips)} clips` : `${whole(found.found)} of ${whole(known.clips)} clips`;
    $("hide-filters").textContent = `Show ${whole(found.found)} clips`;
    $("nothing").hidden = found.found > 0;
    filters.update(state, counts);
    grid.reset(found.found, found.clips);
    document.documentElement.dataset.ready = "yes";
  } catch (error) {
    if (error.name === "AbortError") return;
    retry = refresh;
    const why = error instanceof TypeError ? "the server cannot be reached" : error.message;
    $("failed").firstElementChild.textContent = `${why.charAt(0).toUpperCase()}${why.slice(1)}.`;
    if (error.status === 422) { $("found").textContent = ""; grid.reset(0); }
  }
  $("failed").hidden = !retry;
}

// A clip ----------------------------------------------------------------------------------------------------

const panel = new ClipPanel({
  get: (id) => get(`/api/clips/${encodeURIComponent(id)}?${query()}`),
  rates: (id, signal) => get(`/api/rates/${encodeURIComponent(id)}`, { signal }),
  at: (place) => grid.at(place),
  known: () => known,
  move: (id) => open(id, "replace"),
  narrow: (name, value) => {
    go((to) => { for (const each of [...to.keys()]) to.delete(each); to.set(name, value); });
    panel.hide();
    refresh();
  },
  closed: (place) => {
    if (!state.has("clip")) return;
    if (history.state?.opened) history.back();
    else go((to) => to.delete("clip"), "replace");
    if (place !== null) grid.focus(place);
  },
});

function open(id, how) {
  go((to) => to.set("clip", id), how);
  if (how === "push") history.replaceState({ opened: true }, "");
  panel.show(id);
}

async function follow() {
  const before = query();
  state = new URLSearchParams(location.search);
  if (query() !== before) await refresh();
  if (state.has("clip")) panel.show(state.get("clip"));
  else panel.hide();
}

// Controls --------------------------------------------------------------------------------------------------

let typed = null;
$("text").addEventListener("input", () => {
  clearTimeout(typed);
  typed = setTimeout(() => choose("text", $("text").value.trim() ? [$("text").value.trim()] : [], "replace"), TYPED_MS);
});
$("search").addEventListener("submit", (event) => event.preventDefault());
$("sort").addEventListener("change", () => {
  const name = $("sort").value;
  choose("sort", name ? [name === "name" ? name : `-${name}`] : []);
});
$("direction").addEventListener("click", () => {
  const value = state.get("sort");
  choose("sort", [value.startsWith("-") ? value.slice(1) : `-${value}`]);
});
$("copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(location.href);
    $("copy").textContent = "Copied";
    aloud("The link is on the clipboard.");
  } catch { $("copy").textContent = "Copy it from the address bar"; }
  setTimeout(() => { $("copy").textContent = "Copy link"; }, 2000);
});
$("clear").addEventListener("click", clear);
$("retry").addEventListener("click", () => retry?.());

function sheet(shown) {
  document.body.classList.toggle("filtering", shown);
  $("show-filters").setAttribute("aria-expanded", String(shown));
  if (shown) $("filters").querySelector("summary, input")?.focus();
  else $("show-filters").focus();
}
$("show-filters").addEventListener("click", () => sheet(!document.body.classList.contains("filtering")));
$("hide-filters").addEventListener("click", () => sheet(false));
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && document.body.classList.contains("filtering")) sheet(false);
  if (event.key !== "/" || event.ctrlKey || event.metaKey || $("clip").open || event.target.matches("input, select")) return;
  event.preventDefault();
  $("text").focus();
});
window.addEventListener("popstate", follow);

// While others write to the workspace, the counts follow; the clips on the screen stay where they are.
setInterval(async () => {
  if (document.hidden || panel.shown || window.scrollY > window.innerHeight ) return;
  const now = await get("/api/index").catch(() => null);
  if (!now || now.edition === known.edition) return;
  known = now;
  filters = null;
  refresh();
}, 1000 * LOOK_S);

refresh().then(() => { if (state.has("clip")) panel.show(state.get("clip")); });
