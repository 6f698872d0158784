// One clip: its video with boxes, its camera over time, and everything that is known of it.

import { Chart } from "./chart.js";
import { svg } from "./filters.js";
import { element, picture, readable, short, whole } from "./grid.js";

const $ = (id) => document.getElementById(id);
const video = $("video");
const SLOW = 0.5;
const REST_MS = 350; // on a clip, until its camera is measured
const percent = (share) => `${Math.round(100 * share)}%`;
const CHOSEN = { left: "chose", right: "chose", tie: "finds both good", both_bad: "finds both bad" };
const TRACK = "rgb(255 176 0)", REGION = "rgb(64 196 255)"; // as in the report

const seconds = (value) => `${Number(value.toFixed(2))} s`;
const section = (title, ...children) => element("section", {}, element("h3", { text: title }), ...children);
const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

function size(bytes) {
  if (bytes === null || bytes === undefined) return null;
  const units = ["bytes", "KB", "MB", "GB"];
  const n = Math.min(units.length - 1, Math.floor(Math.log(Math.max(1, bytes)) / Math.log(1000)));
  return `${short(bytes / 1000 ** n)} ${units[n]}`;
}

export class ClipPanel {
  // get(id), rates(id, signal), at(place), known(), move(id), narrow(name, value), closed(place)
  constructor(page) {
    this.page = page;
    this.clip = null;
    this.shown = null; // the id
    this.place = null; // in the list
    this.chart = new Chart($("chart"), (time) => { video.currentTime = time; });
    this.dialog = $("clip");
    this.dialog.addEventListener("close", () => this.ended());
    this.dialog.addEventListener("keydown", (event) => this.key(event), true); // before the player has the arrow keys
    this.dialog.addEventListener("click", (event) => { if (event.target === this.dialog) this.dialog.close(); });
    $("close").addEventListener("click", () => this.dialog.close());
    $("previous").addEventListener("click", () => this.step(-1));
    $("next").addEventListener("click", () => this.step(1));
    $("draw").addEventListener("change", () => this.draw());
    for (const event of ["timeupdate", "seeked", "loadeddata", "pause"]) video.addEventListener(event, () => this.draw());
    video.addEventListener("play", () => this.follow());
    video.addEventListener("error", () => this.broken());
    new ResizeObserver(() => this.draw()).observe(video);
  }

  async show(id) {
    if (this.shown === id) return;
    this.shown = id;
    if (!this.dialog.open) this.dialog.showModal();
    document.documentElement.classList.add("open");
    this.measuring?.abort();
    clearTimeout(this.rest);
    $("broken").hidden = true;
    video.hidden = false;
    video.src = `/videos/${encodeURIComponent(id)}`;
    video.play().catch(() => {}); // where autoplay is not allowed, there are controls
    let clip;
    try {
      clip = await this.page.get(id);
    } catch (error) {
      if (this.shown === id) this.lost(id, error);
      return;
    }
    if (this.shown !== id) return;
    this.clip = clip;
    this.place = clip.place;
    this.fill(clip);
    if (!this.dialog.contains(document.activeElement) || document.activeElement === this.dialog) $("clip-name").focus({ preventScroll: true });
    this.rest = setTimeout(() => this.measure(id), REST_MS);
  }

  hide() {
    if (this.dialog.open) { this.quiet = true; this.dialog.close(); }
  }

  ended() {
    const { place, quiet } = this;
    this.shown = this.clip = this.place = null;
    this.quiet = false;
    this.measuring?.abort();
    clearTimeout(this.rest);
    video.removeAttribute("src");
    video.load();
    document.documentElement.classList.remove("open");
    if (!quiet) this.page.closed(place);
  }

  lost(id, error) {
    this.clip = null;
    $("clip-name").textContent = id;
    $("clip-place").textContent = "";
    this.chart.clear();
    $("chart-note").textContent = "";
    $("legend").hidden = true;
    const why = error instanceof TypeError ? "the server cannot be reached" : error.message;
    $("said").replaceChildren(element("p", { class: "bad", role: "alert", text: `${capital(why)}.` }));
  }

  fill(clip) {
    $("clip-name").textContent = clip.name;
    const total = clip.found;
    $("clip-place").textContent = clip.place === null ? "Not among the clips of this search" : `${whole(clip.place + 1)} of ${whole(total)}`;
    $("previous").disabled = clip.place === null || clip.place === 0;
    $("next").disabled = clip.place === null || clip.place + 1 >= total;
    $("legend").hidden = !clip.objects;
    this.chart.show(clip);
    $("chart").parentElement.hidden = !clip.duration_s;
    $("chart-note").textContent = clip.unknown ? `No label: ${clip.unknown}.` : "";
    $("said").replaceChildren(...[
      this.why(clip), this.gates(clip), this.questions(clip), this.numbers(clip), this.siblings(clip), this.facts(clip),
    ].filter(Boolean));
    $("said").scrollTop = 0;
    this.draw();
  }

  why(clip) {
    const [verdict, ...rest] = clip.why.split(/(?<=^\w+)\b/);
    return element(
      "section",
      { class: "why" },
      element("p", {}, element("strong", { class: { kept: "good", pending: "" }[clip.outcome] ?? "bad", text: verdict }), rest.join("")),
      ...clip.errors.map((error) => element("p", { class: "soft" }, element("code", { text: error.code }), error.detail ? ` ${error.detail}` : "")),
      clip.labels.length ? element("p", { class: "labels" }, ...clip.labels.map((label) => this.narrowing("camera", label, readable(label)))) : "",
    );
  }

  narrowing(name, value, text) {
    const button = element("button", { type: "button", class: "tag", title: "Show all such clips", text });
    button.addEventListener("click", () => this.page.narrow(name, value));
    return button;
  }

  gates(clip) {
    if (!clip.gates.length) return null;
    const rows = clip.gates.map((gate) => {
      const unit = gate.unit ? ` ${gate.unit}` : "";
      return element(
        "tr",
        { class: gate.decides ? "decides" : "" },
        element("th", { scope: "row", title: gate.title }, element("code", { text: gate.name })),
        element("td", { class: "number", text: gate.limit === undefined ? "" : `${short(gate.value)}${unit}` }),
        element("td", { class: "soft", text: gate.limit === undefined ? "" : `${gate.bound} ${short(gate.limit)}` }),
        element("td", { class: gate.passed ? "good" : "bad", text: gate.passed ? "passed" : gate.decides ? "dropped it" : "failed" }),
      );
    });
    const head = ["gate", "measured", "limit", "result"].map((text, n) => element("th", { scope: "col", class: n === 1 ? "number" : null, text }));
    return section("Gates", element("table", {}, element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...rows)));
  }

  questions(clip) {
    if (!clip.questions.length) return null;
    return section("Questions and answers", ...clip.questions.map((one) => {
      const check = (value) => (value === null || value === undefined ? "no checkable claim" : `${percent(value)} of its claims hold`);
      const notes = [
        one.category && `about ${one.category === "both" ? "camera and objects" : `the ${one.category}`}`.replace("the object", "objects"),
        one.objects.length && one.objects.join(", "),
      ].filter(Boolean).join(" · ");
      return element(
        "article",
        { class: `qa${one.dropped ? " dropped" : ""}` },
        element("h4", {}, one.question || "no question", notes ? element("span", { class: "soft", text: ` ${notes}` }) : ""),
        element("p", { text: one.answer || "No answer." }),
        element("p", { class: "soft" }, [
          one.answer && check(one.motion_check),
          one.unjudged ? `${one.unjudged} not judged` : "",
          one.vqascore === null || one.vqascore === undefined ? "" : `VQAScore ${short(one.vqascore)}`,
        ].filter(Boolean).join(" · ")),
        one.claims.length ? element("p", { class: "labels" }, ...one.claims.map((claim) => element("span", { class: "tag", text: readable(claim).replace(":", ": ") }))) : "",
        one.baseline ? element("div", { class: "baseline" }, element("p", { text: one.baseline }), element("p", { class: "soft", text: `baseline · ${check(one.baseline_check)}` })) : "",
        one.dropped ? element("p", { class: "bad" }, "Dropped by ", element("code", { text: one.dropped.gate }), `: ${one.dropped.reason}`) : "",
        one.people ? element("p", { class: "good", text: one.people }) : "",
        one.votes.length ? element("ul", { class: "votes" }, ...one.votes.map((vote) => element("li", {}, element("strong", { text: vote.annotator || "somebody" }), ` ${CHOSEN[vote.choice] ?? vote.choice}${vote.text ? ` “${vote.text}”` : ""}${vote.edited ? `, corrected: “${vote.edited}”` : ""}`, element("span", { class: "soft", text: ` ${(vote.at ?? "").slice(0, 10)}` })))) : "",
      );
    }));
  }

  // Each number with its place among those of all clips.
  numbers(clip) {
    const known = this.page.known();
    const rows = clip.numbers.filter(({ value }) => value !== null).map((one) => {
      const number = known?.numbers[one.name];
      return element(
        "tr",
        {},
        element("th", { scope: "row", text: one.title }),
        element("td", { class: "number", text: short(one.value) }),
        element("td", { class: "soft", text: one.unit }),
        element("td", { class: "spark" }, number?.bins.length ? this.spark(number, one.value) : ""),
      );
    });
    if (!rows.length) return null;
    return section("Measured", element("table", { class: "measured" }, element("thead", { class: "hidden" }, element("tr", {}, ...["number", "value", "unit", "among all clips"].map((text) => element("th", { scope: "col", text })))), element("tbody", {}, ...rows)));
  }

  spark(number, value) {
    const wide = 120, high = 22, most = Math.max(1, ...number.counts), share = wide / number.bins.length;
    let own = number.bins.findIndex((bin) => value < bin.hi);
    if (own < 0) own = number.bins.length - 1;
    const bars = number.counts.map((count, n) => {
      const tall = n === own ? high : count ? Math.max(1, (high * count) / most) : 0;
      return svg("rect", { class: n === own ? "own" : "ground", x: n * share, y: high - tall, width: Math.max(1, share - 0.5), height: tall });
    });
    return svg("svg", { viewBox: `0 0 ${wide} ${high}`, "aria-hidden": "true" }, ...bars);
  }

  siblings(clip) {
    if (!clip.siblings.length) return null;
    const links = clip.siblings.map((one) => {
      const part = one.start_s === null || one.start_s === undefined ? one.name : seconds(one.start_s);
      const image = element("img", { alt: "", loading: "lazy", src: picture("frame", one.id) });
      const button = element("button", { type: "button", class: "sibling", "aria-current": one.id === clip.id ? "true" : null }, element("span", { class: "picture shown" }, image), element("span", { text: `${part}${one.outcome === "kept" ? "" : `, ${one.outcome}`}` }));
      button.addEventListener("click", () => this.page.move(one.id));
      return button;
    });
    const all = element("button", { type: "button", class: "plain small", text: "Show them all in the list" });
    all.addEventListener("click", () => this.page.narrow("video", clip.video_id));
    return section(`Clips of the same video`, element("div", { class: "siblings", tabindex: 0, role: "group", "aria-label": "Clips of the same video" }, ...links), all);
  }

  facts(clip) {
    const { traits } = clip;
    const part = clip.start_s === null && clip.end_s === null ? "the whole file" : `${seconds(clip.start_s ?? 0)} to ${clip.end_s === null ? "the end" : seconds(clip.end_s)} of the file`;
    const made = clip.made ?? {};
    const rows = {
      "clip id": clip.id,
      file: clip.uri,
      part,
      source: clip.source,
      video: clip.video_id,
      split: clip.split,
      size: [size(clip.bytes), traits.width ? `${traits.width} × ${traits.height}` : "", traits.fps ? `${short(traits.fps)} frames/s` : "", traits.codec].filter(Boolean).join(", "),
      "clock repaired": traits.clock_repair,
      "quality metric": traits.quality_metric,
      caption: clip.caption,
      "annotated by": Object.entries(made.models ?? {}).map(([role, name]) => `${role} ${name}`).join(", "),
      effort: [made.seconds ? `${short(made.seconds)} s` : "", made.tokens ? `${whole(made.tokens)} tokens` : "", made.cost ? `cost ${short(made.cost)}` : ""].filter(Boolean).join(", "),
      notes: (made.notes ?? []).join("; "),
    };
    const pairs = Object.entries(rows).filter(([, value]) => value).flatMap(([name, value]) => [element("dt", { text: name }), element("dd", { text: value })]);
    return section("File", element("dl", { class: "facts" }, ...pairs));
  }

  async measure(id) {
    if (!this.clip?.duration_s) return;
    this.measuring = new AbortController();
    const before = $("chart-note").textContent;
    $("chart-note").textContent = "Measuring the camera…";
    try {
      const rates = await this.page.rates(id, this.measuring.signal);
      if (this.shown !== id) return;
      this.chart.rates(rates);
      $("chart-note").textContent = before;
    } catch (error) {
      if (this.shown === id && error.name !== "AbortError") $("chart-note").textContent = `The camera cannot be measured: ${error.message}.`;
    }
  }

  async broken() {
    const id = this.shown;
    if (!id || !video.getAttribute("src")) return;
    const response = await fetch(video.src, { headers: { range: "bytes=0-0" } }).catch(() => null);
    const text = response && !response.ok ? await response.text() : "";
    if (this.shown !== id) return;
    let why = "your browser does not support its format";
    try { why = JSON.parse(text).detail; } catch { /* no more is known */ }
    video.hidden = true;
    $("broken").hidden = false;
    $("broken").textContent = `This clip cannot be played: ${why}.`;
    this.draw();
  }

  follow() {
    const step = () => {
      this.draw();
      if (!video.paused && this.shown) requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  }

  // Boxes at the moment that is shown: between two times at which an object was seen, where it must have been.
  draw() {
    const time = video.currentTime;
    this.chart.point(time);
    const canvas = $("boxes"), box = video.getBoundingClientRect(), around = canvas.parentElement.getBoundingClientRect();
    const objects = this.clip?.objects;
    canvas.hidden = !objects || !$("draw").checked || video.hidden || !video.videoWidth;
    if (canvas.hidden) return;
    const scale = Math.min(box.width / video.videoWidth, box.height / video.videoHeight);
    const wide = video.videoWidth * scale, high = video.videoHeight * scale;
    canvas.style.left = `${box.left - around.left + (box.width - wide) / 2}px`;
    canvas.style.top = `${box.top - around.top + (box.height - high) / 2}px`;
    canvas.style.width = `${wide}px`;
    canvas.style.height = `${high}px`;
    const ratio = devicePixelRatio;
    if (canvas.width !== Math.round(wide * ratio)) canvas.width = Math.round(wide * ratio);
    if (canvas.height !== Math.round(high * ratio)) canvas.height = Math.round(high * ratio);
    const pen = canvas.getContext("2d");
    pen.clearRect(0, 0, canvas.width, canvas.height);
    pen.lineWidth = 2 * ratio;
    pen.font = `${12 * ratio}px system-ui, sans-serif`;
    const paint = (boxes, colour, label) => {
      const now = between(objects.times, boxes, time);
      if (!now) return;
      const [x1, y1, x2, y2] = [now[0] * canvas.width, now[1] * canvas.height, now[2] * canvas.width, now[3] * canvas.height];
      pen.strokeStyle = colour;
      pen.strokeRect(x1, y1, x2 - x1, y2 - y1);
      if (!label) return;
      const length = pen.measureText(label).width + 8 * ratio, tall = 17 * ratio, top = Math.max(0, y1 - tall);
      pen.fillStyle = colour;
      pen.fillRect(x1 - ratio, top, length, tall);
      pen.fillStyle = "#14181b";
      pen.fillText(label, x1 + 3 * ratio, top + 12.5 * ratio);
    };
    pen.setLineDash([6 * ratio, 5 * ratio]);
    paint(objects.region, REGION, "");
    pen.setLineDash([]);
    for (const track of objects.tracks) paint(track.boxes, TRACK, track.label);
  }

  async step(by) {
    const from = this.place, to = from + by;
    if (from === null) return;
    this.place = to; // at once, for those who press the key faster than clips come
    const clip = await this.page.at(to);
    if (this.place !== to) return;
    if (clip) this.page.move(clip.id);
    else this.place = from;
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || event.target.closest(".siblings")) return;
    const frame = 1 / (this.clip?.traits.fps || 25);
    const keys = {
      ArrowLeft: () => this.step(-1),
      ArrowRight: () => this.step(1),
      " ": () => (video.paused ? video.play().catch(() => {}) : video.pause()),
      ",": () => { video.pause(); video.currentTime = Math.max(0, video.currentTime - frame); },
      ".": () => { video.pause(); video.currentTime += frame; },
      v: () => { video.playbackRate = video.playbackRate === 1 ? SLOW : 1; },
      r: () => { video.currentTime = 0; video.play().catch(() => {}); },
      b: () => $("draw").click(),
    };
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (!keys[key] || (key === " " && event.target.matches("button, input, summary"))) return;
    event.preventDefault();
    event.stopPropagation();
    if (!event.repeat || ",.".includes(key)) keys[key]();
  }
}

// The box at a time; null where the object was not seen just before and after it.
function between(times, boxes, time) {
  if (!boxes.length) return null;
  let after = times.findIndex((each) => each >= time);
  if (after < 0) after = times.length - 1;
  const before = Math.max(0, times[after] > time ? after - 1 : after);
  const a = boxes[before], b = boxes[after];
  if (!a || !b || before === after) return a && Math.abs(times[before] - time) > (times[1] - times[0] || 1) ? null : a ?? null;
  const share = (time - times[before]) / (times[after] - times[before]);
  return a.map((edge, n) => edge + share * (b[n] - edge));
}
