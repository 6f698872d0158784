// The filters: facets with counts, numbers with histograms. `state` holds them as the parameters of the address.

import { element, readable, short, whole } from "./grid.js";

const SHOWN = 12; // values of a facet, until all are asked for
const SVG = "http://www.w3.org/2000/svg";
const WIDE = 240, HIGH = 44; // of a histogram, in its own units

export const svg = (name, attributes = {}, ...children) => {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
};

export const valueName = (facet, value) => {
  if (value === "") return facet === "camera" ? "no label" : "none";
  if (facet === "annotation" && value === "none") return "not annotated";
  return ["camera", "annotation"].includes(facet) ? readable(value) : value;
};

const isCode = (facet) => facet === "gate" || facet === "error";

export class Filters {
  constructor(known, change) {
    this.known = known;
    this.change = change; // (parameter, its values): what is chosen
    this.facets = new Map();
    this.numbers = new Map();
    this.all = new Set(); // facets of which all values are shown
    document.getElementById("facets").replaceChildren(...Object.keys(known.facets).map((name) => this.facet(name)));
    const charted = Object.entries(known.numbers).filter(([, number]) => number.bins.length);
    document.getElementById("numbers").replaceChildren(...charted.map(([name, number]) => this.number(name, number)));
    document.querySelector(".numbers-title").hidden = !charted.length;
  }

  facet(name) {
    const list = element("div", { class: "values" });
    const box = element("details", { class: "facet", open: !["source", "split"].includes(name) }, element("summary", { text: this.known.facets[name].title }), list);
    this.facets.set(name, { box, list });
    return box;
  }

  number(name, number) {
    const label = `${number.title}${number.unit ? `, ${number.unit}` : ""}`;
    const bars = svg("g"), brushed = svg("rect", { class: "brush", y: 0, height: HIGH, width: 0 });
    const most = Math.max(1, ...number.counts);
    const share = WIDE / number.bins.length;
    const ground = number.counts.map((count, n) => {
      const high = count ? Math.max(1, (HIGH * count) / most) : 0;
      return svg("rect", { class: "ground", x: n * share, y: HIGH - high, width: Math.max(0.5, share - 0.6), height: high });
    });
    const limits = Object.entries(number.limits).map(([gate, value]) => {
      const at = this.position(number, value) * WIDE;
      return svg("line", { class: "limit", x1: at, x2: at, y1: 0, y2: HIGH }, svg("title"));
    });
    Object.keys(number.limits).forEach((gate, n) => { limits[n].firstChild.textContent = `${gate}=${number.limits[gate]}`; });
    const chart = svg("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, preserveAspectRatio: "none", class: "histogram", "aria-hidden": "true" }, ...ground, bars, ...limits, brushed);
    const field = (end, hint) => element("input", { type: "text", inputmode: "decimal", autocomplete: "off", "aria-label": `${label}, ${hint}`, placeholder: short(this.edge(number, end)) });
    const least = field(0, "at least"), greatest = field(-1, "at most");
    const unknown = element("button", { type: "button", class: "plain small", "aria-pressed": "false", text: `${whole(number.missing)} not known` });
    const box = element(
      "fieldset",
      { class: "number", "data-number": name },
      element("legend", {}, number.title, number.unit ? element("span", { class: "soft", text: ` ${number.unit}` }) : ""),
      chart,
      element("div", { class: "ends" }, least, element("span", { class: "soft", text: "to" }), greatest, number.missing ? unknown : ""),
    );
    const apply = () => {
      const ends = [least, greatest].map((input) => input.value.trim().replace(",", "."));
      [least, greatest].forEach((input, n) => input.setAttribute("aria-invalid", String(ends[n] !== "" && !Number.isFinite(Number(ends[n])))));
      if (ends.some((end) => end !== "" && !Number.isFinite(Number(end)))) return;
      this.change(name, ends.some(Boolean) ? [ends.join("..")] : []);
    };
    least.addEventListener("change", apply);
    greatest.addEventListener("change", apply);
    unknown.addEventListener("click", () => this.change(name, unknown.getAttribute("aria-pressed") === "true" ? [] : ["none"]));
    this.brush(chart, brushed, number, name);
    this.numbers.set(name, { bars, brushed, least, greatest, unknown, number, most, share });
    return box;
  }

  // The smallest (0) or the largest (-1) value of a bin, or of all; the bins of whole numbers are centred on them.
  edge(number, end, bin = number.bins.at(end)) {
    const half = number.whole ? 0.5 : 0;
    return end ? bin.hi - half : bin.lo + half;
  }

  // Where a value is on its chart, 0 to 1; and the value at a place.
  position(number, value) {
    const scale = number.log ? Math.log : (x) => x;
    const lo = scale(number.bins[0].lo), hi = scale(number.bins.at(-1).hi);
    if (number.log && value <= 0) return 0;
    return Math.min(1, Math.max(0, (scale(value) - lo) / (hi - lo)));
  }

  // Drag over a chart to choose a range: of whole bins, so that what is seen is what is found.
  brush(chart, brushed, number, name) {
    const bin = (event) => {
      const box = chart.getBoundingClientRect();
      return Math.min(number.bins.length - 1, Math.max(0, Math.floor(((event.clientX - box.left) / box.width) * number.bins.length)));
    };
    let from = null, to = null;
    const draw = () => {
      const share = WIDE / number.bins.length, first = Math.min(from, to), last = Math.max(from, to);
      brushed.setAttribute("x", first * share);
      brushed.setAttribute("width", (last - first + 1) * share);
    };
    chart.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      chart.setPointerCapture(event.pointerId);
      from = to = bin(event);
      draw();
    });
    chart.addEventListener("pointermove", (event) => { if (from !== null) { to = bin(event); draw(); } });
    chart.addEventListener("pointercancel", () => { from = null; });
    chart.addEventListener("pointerup", () => {
      if (from === null) return;
      const first = Math.min(from, to), last = Math.max(from, to), end = number.bins.length - 1;
      from = null;
      if (first === last && this.numbers.get(name).least.value + this.numbers.get(name).greatest.value) return this.change(name, []);
      // The outermost bins also hold what is beyond the axis.
      this.change(name, [`${first === 0 ? "" : this.edge(number, 0, number.bins[first])}..${last === end ? "" : this.edge(number, -1, number.bins[last])}`]);
    });
  }

  // Shows what is chosen, and the counts once they are known.
  update(state, counts) {
    for (const [name, { box, list }] of this.facets) this.values(name, box, list, state.getAll(name), counts?.facets[name]);
    for (const [name, parts] of this.numbers) {
      const value = state.get(name) ?? "";
      const [least, greatest] = value === "none" ? ["", ""] : value.includes("..") ? value.split("..") : [value, value];
      if (document.activeElement !== parts.least) parts.least.value = least;
      if (document.activeElement !== parts.greatest) parts.greatest.value = greatest;
      parts.unknown.setAttribute("aria-pressed", String(value === "none"));
      const x = least === "" ? 0 : this.position(parts.number, Number(least)) * WIDE;
      const end = greatest === "" ? WIDE : this.position(parts.number, Number(greatest)) * WIDE;
      parts.brushed.setAttribute("x", x);
      parts.brushed.setAttribute("width", least || greatest ? Math.max(1, end - x) : 0);
      if (counts) {
        parts.bars.replaceChildren(...counts.histograms[name].map((count, n) => {
          const high = count ? Math.max(1, (HIGH * count) / parts.most) : 0;
          return svg("rect", { class: "bar", x: n * parts.share, y: HIGH - high, width: Math.max(0.5, parts.share - 0.6), height: high });
        }));
      }
    }
  }

  values(name, box, list, chosen, counts) {
    if (!counts) {
      for (const input of list.querySelectorAll("input")) input.checked = chosen.includes(input.value);
      return;
    }
    const { values } = this.known.facets[name];
    const found = values.map((value, n) => ({ value, count: counts[n] }));
    for (const value of chosen) if (!values.includes(value)) found.push({ value, count: 0 });
    const there = found.filter(({ value, count }) => count || chosen.includes(value));
    if (name === "camera") there.sort((a, b) => b.count - a.count);
    const shown = this.all.has(name) ? there : there.filter(({ value }, n) => n < SHOWN || chosen.includes(value));
    const most = Math.max(1, ...there.map(({ count }) => count));
    const focused = list.contains(document.activeElement) ? document.activeElement.value : null;
    list.replaceChildren(...shown.map(({ value, count }) => {
      const input = element("input", { type: "checkbox", value });
      input.checked = chosen.includes(value);
      input.addEventListener("change", () => {
        const now = [...list.querySelectorAll("input:checked")].map((each) => each.value);
        this.change(name, now);
      });
      const label = element("label", { class: "value" }, input, element("span", { class: isCode(name) ? "code" : "of", text: valueName(name, value) }), element("span", { class: "count", text: whole(count) }));
      label.style.setProperty("--share", `${(100 * count) / most}%`);
      return label;
    }));
    if (there.length > shown.length || (this.all.has(name) && there.length > SHOWN)) {
      const more = element("button", { type: "button", class: "plain small", text: this.all.has(name) ? "Show fewer" : `Show all ${whole(there.length)}` });
      more.addEventListener("click", () => {
        if (!this.all.delete(name)) this.all.add(name);
        this.values(name, box, list, chosen, counts);
      });
      list.append(more);
    }
    box.hidden = !there.length;
    if (focused !== null) [...list.querySelectorAll("input")].find((input) => input.value === focused)?.focus();
  }
}
