"use strict";

const $ = (id) => document.getElementById(id);
const video = $("video");
const NAME = "motionsight.annotator";
const SLOW = 0.5;
const FRAME_S = 1 / 25; // of a step, as the page does not know the frame rate
const SAID_MS = 5000; // for which a message is shown
const DONE = { vote: "Saved.", skip: "Skipped." };
const BAD_CLIP = "Saved. You are not asked about this clip again.";

let who = document.body.dataset.annotator || localStorage.getItem(NAME) || "";
let item = null; // the question that is shown
let since = 0; // when it was first shown, ms
let editing = ""; // the side that is being corrected
let busy = false; // a request is on its way
let silence = 0; // the timer that takes the message away
let retry = null; // repeats the request that failed

function say(text) {
  $("status").textContent = text;
  clearTimeout(silence);
  silence = setTimeout(() => { $("status").textContent = ""; }, SAID_MS);
}

function only(id) {
  for (const part of ["enter", "task", "done"]) $(part).hidden = part !== id;
}

async function send(what, body) {
  if (busy) return;
  busy = true;
  for (const button of document.querySelectorAll("main button")) button.disabled = true;
  let answer;
  try {
    const response = await fetch(`/api/${what}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ annotator: who, ...body }),
    });
    if (!response.ok) throw new Error(await reason(response));
    answer = await response.json();
    retry = null;
  } catch (error) {
    retry = () => send(what, body);
    const gone = error instanceof TypeError;
    $("failed").firstElementChild.textContent = gone ? "The server cannot be reached; nothing was saved." : error.message;
  }
  busy = false;
  for (const button of document.querySelectorAll("main button")) button.disabled = false;
  $("failed").hidden = !retry;
  if (!answer) return $("retry").focus();
  show(answer);
  const corrected = item?.before?.edited ? ", with a correction" : "";
  say(item?.before ? `Your earlier vote${corrected}. Choose again to change it.` : (item && (body.choice === "bad_clip" ? BAD_CLIP : DONE[what])) || "");
}

async function reason(response) {
  const text = await response.text();
  try {
    const detail = JSON.parse(text).detail;
    return typeof detail === "string" ? capital(detail) + "." : "The server did not understand the request.";
  } catch {
    return capital(text) + ".";
  }
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

function show({ item: next, progress }) {
  $("who").hidden = Boolean(document.body.dataset.annotator);
  $("name").textContent = who;
  $("progress").hidden = false;
  const bar = document.querySelector("progress");
  bar.max = Math.max(1, progress.done + progress.left);
  bar.value = progress.done;
  const skipped = progress.skipped ? ` · ${progress.skipped} skipped` : "";
  $("count").textContent = `${progress.done} done · ${progress.left} to go${skipped}`;
  item = next;
  stopEditing();
  if (!item) return finish(progress);
  only("task");
  $("question").textContent = item.question;
  for (const side of ["left", "right"]) $(side).querySelector(".text").textContent = item[side];
  const before = item.before ? item.before.choice : "";
  for (const button of document.querySelectorAll("[data-choice]")) {
    button.classList.toggle("before", button.dataset.choice === before);
    button.setAttribute("aria-pressed", String(button.dataset.choice === before));
  }
  for (const side of ["left", "right"]) $(side).classList.toggle("before", side === before);
  $("clip").textContent = item.clip;
  $("note").value = item.before?.note || "";
  const source = `/clips/${encodeURIComponent(item.clip)}`;
  if (video.getAttribute("src") !== source) {
    video.hidden = false;
    $("broken").hidden = true;
    video.src = source;
  }
  video.play().catch(() => {}); // where autoplay is not allowed, there are controls
  since = performance.now();
  $("question").focus({ preventScroll: true });
  window.scrollTo(0, 0);
}

function finish(progress) {
  only("done");
  video.removeAttribute("src");
  video.load();
  const others = progress.wanted - progress.votes;
  $("thanks").textContent = progress.wanted
    ? `${progress.votes} of ${progress.wanted} votes are in.` + (others ? " The rest were skipped, or are with other people." : "")
    : "There are no questions to review in this workspace.";
  $("unskip").hidden = !progress.skipped;
  $("last").hidden = !progress.done;
  $("unskip").textContent = `Go back to the ${progress.skipped} you skipped`;
  $("done").querySelector("h1").focus();
}

const vote = (choice, edited = null) =>
  send("vote", { item: item.id, choice, edited, note: $("note").value.trim() || null, seconds: (performance.now() - since) / 1000 });

function edit(side) {
  stopEditing();
  editing = side;
  const name = $(`${side}-name`).textContent;
  $("edit").querySelector("label").textContent = `${name} is better. Correct what is wrong with it:`;
  const before = item.before && item.before.choice === side ? item.before.edited : null;
  $("edited").value = before || item[side];
  $(side).append($("edit"));
  $(side).classList.add("editing");
  $("edit").hidden = false;
  $("edited").focus();
}

function stopEditing() {
  if (!editing) return;
  $("edit").hidden = true;
  $(editing).classList.remove("editing");
  editing = "";
  $("question").focus({ preventScroll: true });
}

async function copy() {
  try {
    await navigator.clipboard.writeText(item.clip);
    say(`Copied ${item.clip}.`);
  } catch {
    getSelection().selectAllChildren($("clip")); // where scripts may not, people still can
    say("The clip's id is selected: copy it with the keyboard or the menu.");
  }
}

function guide() {
  $("guide").open = !$("guide").open;
  if ($("guide").open) $("guide").scrollIntoView({ block: "nearest" });
}

function step(seconds) {
  video.pause();
  video.currentTime = Math.max(0, video.currentTime + seconds);
}

const keys = {
  ArrowLeft: () => vote("left"),
  1: () => vote("left"),
  ArrowRight: () => vote("right"),
  2: () => vote("right"),
  ArrowUp: () => vote("tie"),
  3: () => vote("tie"),
  ArrowDown: () => vote("both_bad"),
  4: () => vote("both_bad"),
  q: () => vote("bad_question"),
  5: () => vote("bad_question"),
  c: () => vote("bad_clip"),
  6: () => vote("bad_clip"),
  n: () => $("note").focus(),
  i: () => copy(),
  g: () => guide(),
  "Shift+ArrowLeft": () => edit("left"),
  "Shift+ArrowRight": () => edit("right"),
  s: () => $("skip").click(),
  z: () => $("back").click(),
  " ": () => (video.paused ? video.play().catch(() => {}) : video.pause()),
  r: () => { video.currentTime = 0; video.play().catch(() => {}); },
  ",": () => step(-FRAME_S),
  ".": () => step(FRAME_S),
  v: () => { video.playbackRate = video.playbackRate === 1 ? SLOW : 1; say(video.playbackRate === 1 ? "Full speed." : "Half speed."); },
};

// In the capture phase, before the player can use the arrow keys itself.
document.addEventListener("keydown", (event) => {
  if (event.target === $("edited")) {
    if (event.key === "Escape") stopEditing();
    else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("edit").requestSubmit();
    return;
  }
  if (event.target === $("note")) {
    if (event.key === "Escape" || event.key === "Enter") $("question").focus({ preventScroll: true });
    return;
  }
  if (editing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (!$("done").hidden && event.key.toLowerCase() === "z") return $("last").click();
  if ($("task").hidden) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  // Space presses the focused button.
  if (key === " " && event.target.closest("button, summary")) return;
  const act = keys[event.shiftKey && event.key.length > 1 ? `Shift+${key}` : key];
  if (!act) return;
  event.preventDefault();
  event.stopPropagation();
  if (!event.repeat || key === "," || key === ".") act();
}, true);

$("enter").addEventListener("submit", (event) => {
  event.preventDefault();
  who = $("annotator").value.trim();
  if (!who) return;
  localStorage.setItem(NAME, who);
  send("next", {});
});
$("edit").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("edited").value.trim();
  if (text) vote(editing, text);
});
for (const button of document.querySelectorAll("[data-choice]")) button.addEventListener("click", () => vote(button.dataset.choice));
for (const button of document.querySelectorAll("[data-edit]")) button.addEventListener("click", () => edit(button.dataset.edit));
$("copy").addEventListener("click", copy);
$("cancel").addEventListener("click", stopEditing);
$("skip").addEventListener("click", () => send("skip", { item: item.id }));
$("back").addEventListener("click", () => send("back", { item: item.id }));
$("last").addEventListener("click", () => send("back", { item: "" }));
$("again").addEventListener("click", () => send("next", {}));
$("unskip").addEventListener("click", () => send("unskip", {}));
$("retry").addEventListener("click", () => retry && retry());
$("leave").addEventListener("click", () => {
  localStorage.removeItem(NAME);
  location.reload();
});
video.addEventListener("error", async () => {
  if (!item || !video.getAttribute("src")) return;
  const response = await fetch(video.src, { headers: { range: "bytes=0-0" } }).catch(() => null);
  const why = response && !response.ok ? await reason(response) : "Your browser does not support its format.";
  video.hidden = true;
  $("broken").hidden = false;
  $("broken").textContent = `This clip cannot be played. ${why} Please skip it, or report a bad clip.`;
});

if (who) send("next", {});
else {
  only("enter");
  $("annotator").focus();
}
