// The camera over time: its moves as bars, its four rates as lines, and the moment that is shown.

import { svg } from "./filters.js";
import { readable, short } from "./grid.js";

const LEFT = 46, RIGHT = 112, MOVE = 20, ROW = 44, GAP = 8, AXIS = 18; // pixels
// Each rate with its unit, and the rate that fills half a row if none is larger.
const RATES = { pan: ["widths/s", 0.1], tilt: ["heights/s", 0.1], zoom: ["e-folds/s", 0.1], roll: ["°/s", 5] };

export class Chart {
  // seek(time): called when somebody points at a time.
  constructor(place, seek) {
    this.place = place;
    this.length = 0;
    this.wide = 0;
    new ResizeObserver(() => { if (this.clip && place.clientWidth !== this.wide) this.draw(); }).observe(place);
    let held = false;
    const to = (event) => {
      const box = place.firstChild?.getBoundingClientRect();
      if (!box || !this.length) return;
      const x = event.clientX - box.left;
      seek(this.length * Math.min(1, Math.max(0, (x - LEFT) / (this.wide - LEFT - RIGHT))));
    };
    place.addEventListener("pointerdown", (event) => { held = true; place.setPointerCapture(event.pointerId); to(event); });
    place.addEventListener("pointermove", (event) => held && to(event));
    for (const name of ["pointerup", "pointercancel"]) place.addEventListener(name, () => { held = false; });
  }

  clear() {
    this.length = 0;
    this.clip = this.measured = null;
    this.place.replaceChildren();
  }

  x(time) { return LEFT + ((this.wide - LEFT - RIGHT) * time) / this.length; }

  show(clip) {
    this.clear();
    this.clip = clip;
    this.draw();
  }

  draw() {
    const { clip } = this;
    this.length = clip.duration_s ?? 0;
    if (!this.length) return;
    this.wide = Math.max(240, this.place.clientWidth);
    const lanes = laned(clip.moves);
    const head = Math.max(1, lanes.length) * MOVE + GAP, high = head + 4 * (ROW + GAP) + AXIS;
    const moves = lanes.flatMap((lane, n) => lane.map((move) => this.move(move, n)));
    const said = clip.moves.length ? clip.moves.map((move) => `${readable(move.label)} from ${short(move.start_s)} to ${short(move.end_s)} s`).join(", ") : clip.labels.map(readable).join(", ") || "no moves";
    this.rows = svg("g");
    this.head = head;
    Object.keys(RATES).forEach((name, n) => this.row(name, n, this.measured));
    const cuts = clip.cuts.map((time) => svg("line", { class: "cut", x1: this.x(time), x2: this.x(time), y1: 0, y2: high - AXIS }, title(`cut at ${short(time)} s`)));
    this.head_line = svg("line", { class: "playhead", x1: LEFT, x2: LEFT, y1: 0, y2: high - AXIS });
    const label = svg("text", { x: 0, y: MOVE / 2 + 4, class: "label" });
    label.textContent = "moves";
    const none = svg("text", { x: LEFT + 4, y: MOVE / 2 + 4, class: "label" });
    none.textContent = clip.moves.length ? "" : clip.labels.map(readable).join(", ") || "none";
    this.place.replaceChildren(svg("svg", { viewBox: `0 0 ${this.wide} ${high}`, role: "img", "aria-label": `The camera over ${short(this.length)} s: ${said}` }, label, none, ...moves, this.rows, ...this.ticks(high), ...cuts, this.head_line));
  }

  move(move, lane) {
    const from = this.x(Math.max(0, move.start_s)), to = this.x(Math.min(this.length, move.end_s));
    const width = Math.max(3, to - from);
    const name = readable(move.label);
    const text = svg("text", { x: from + 5, y: lane * MOVE + MOVE / 2 + 2.5 });
    text.textContent = width > 6.3 * name.length + 8 ? name : "";
    return svg("g", { class: "move" }, svg("rect", { x: from, y: lane * MOVE, width, height: MOVE - 4, rx: 3 }), text, title(`${name}, ${short(move.start_s)} to ${short(move.end_s)} s, by ${short(move.amount)}`));
  }

  row(name, n, rates) {
    const top = this.head + n * (ROW + GAP), middle = top + ROW / 2;
    const [unit, least] = RATES[name];
    const group = svg("g", { class: "rate" });
    const label = svg("text", { x: 0, y: middle + 4, class: "label" });
    label.textContent = name;
    group.append(label, svg("line", { class: "zero", x1: LEFT, x2: this.wide - RIGHT, y1: middle, y2: middle }));
    if (rates?.times.length) {
      const values = rates[name], most = Math.max(least, ...values.map(Math.abs));
      const points = rates.times.map((time, at) => [this.x(Math.min(time, this.length)), middle - (values[at] / most) * (ROW / 2)]);
      const line = points.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" ");
      group.append(
        svg("polygon", { points: `${points[0][0].toFixed(1)},${middle} ${line} ${points.at(-1)[0].toFixed(1)},${middle}` }),
        svg("polyline", { points: line }),
      );
      if (points.length === 1) group.append(svg("circle", { cx: points[0][0], cy: points[0][1], r: 2.5 }));
      const peak = values.reduce((best, value) => (Math.abs(value) > Math.abs(best) ? value : best), 0);
      const text = svg("text", { x: this.wide, y: middle + 4, class: "label end" });
      const rounded = Number(peak.toFixed(3));
      text.textContent = `${rounded > 0 ? "+" : rounded < 0 ? "−" : ""}${short(Math.abs(rounded))} ${unit}`;
      group.append(text, title(`${name}: at most ${short(peak)} ${unit}`));
    }
    if (this.rows.children[n]) this.rows.children[n].replaceWith(group);
    else this.rows.append(group);
  }

  rates(rates) {
    this.measured = rates;
    if (this.length) Object.keys(RATES).forEach((name, n) => this.row(name, n, rates));
  }

  ticks(high) {
    const step = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300].find((each) => this.length / each <= 7) ?? 600;
    const found = [];
    for (let time = 0; time <= this.length + 1e-9; time += step) {
      const text = svg("text", { x: this.x(time), y: high - 3, class: "label tick" });
      text.textContent = `${Number(time.toFixed(1))} s`;
      found.push(text);
    }
    return found;
  }

  point(time) {
    if (!this.length) return;
    const at = this.x(Math.min(time, this.length));
    this.head_line.setAttribute("x1", at);
    this.head_line.setAttribute("x2", at);
  }
}

function title(text) {
  const made = svg("title");
  made.textContent = text;
  return made;
}

// Moves in as few lanes as they need, so that none covers another.
function laned(moves) {
  const lanes = [];
  for (const move of [...moves].sort((a, b) => a.start_s - b.start_s)) {
    const free = lanes.find((lane) => lane.at(-1).end_s <= move.start_s + 1e-6);
    if (free) free.push(move);
    else lanes.push([move]);
  }
  return lanes;
}
