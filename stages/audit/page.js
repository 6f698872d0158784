"use strict";
{
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const whatIf = read("what-if-data");
  const number = (value) => value.toLocaleString("en-US");
  const THUMB = 16, OFF = 28; // of sliders, pixels: the thumb's width, and how far beyond the axis "off" is
  const FAILS = 255, ABSENT = 254, PASSES = 253;

  // Each gate has a bit; a row's mask holds the gates that would drop it.
  const gates = whatIf.gates.map((gate, bit) => {
    const input = document.getElementById(`gate-${gate.name}`);
    const off = gate.kind === "max" ? gate.offered.length : 0;
    // Slider steps, left to right in rising value, with "off" at the end where all pass.
    const steps = gate.kind === "max" ? [...gate.offered, null] : [null, ...gate.offered];
    const begin = gate.current === null ? off : steps.indexOf(gate.current);
    const find = (part) => document.querySelector(`[data-gate="${gate.name}"] ${part}`);
    // `places`: where each step is on the slider, in pixels from the start of the axis.
    return { ...gate, bit: 1 << bit, input, steps, begin, at: begin, places: steps.map((_, at) => at), find };
  });

  // Where a gate stands: an index into its measure's positions, or null when it is off; for one that requires
  // a value, whether it is on. A gate that the page does not show stays where it is set.
  const standing = (gate) => {
    if (gate.kind === "required") return gate.input ? gate.input.checked : gate.current;
    return gate.steps[gate.at];
  };
  const valueOf = (gate) => {
    const at = standing(gate);
    return gate.kind === "required" ? at || null : at === null ? null : whatIf.measures[gate.measure].positions[at];
  };

  // For each code of a measure, the gates that it fails, as a mask.
  const failing = (measure) => {
    const table = new Uint16Array(256);
    for (const gate of gates.filter((one) => one.measure === measure)) {
      const at = standing(gate);
      if (gate.kind === "required") {
        if (at) table[ABSENT] |= gate.bit;
        continue;
      }
      if (at === null) continue;
      const edge = 2 * at + 1;
      for (let code = 0; code < PASSES; code++) {
        if (gate.kind === "min" ? code < edge : code > edge) table[code] |= gate.bit;
      }
      table[FAILS] |= gate.bit;
    }
    return table;
  };

  const unpack = async ({ rows, columns, data }) => {
    const packed = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
    const plain = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    const bytes = await new Response(plain).arrayBuffer();
    const found = {};
    let from = 0;
    for (const [name, width] of Object.entries(columns)) {
      const part = bytes.slice(from, (from += rows * width));
      found[name] = width === 1 ? new Uint8Array(part) : new Uint32Array(part);
    }
    return { rows, found };
  };

  // How many rows of each source have each mask; `asked`: how many of its clips have a question left.
  const masksOf = ({ rows, found }, tables) => {
    const used = Object.keys(found).filter((name) => /^m\d+$/.test(name));
    const lookup = used.map((name) => tables[Number(name.slice(1))]);
    const codes = used.map((name) => found[name]);
    const { source, count, first } = found;
    const size = 1 << gates.length;
    const total = new Uint32Array(size * whatIf.sources.length);
    const asked = new Uint32Array(whatIf.sources.length);
    let counted = false;
    for (let row = 0; row < rows; row++) {
      let mask = 0;
      for (let n = 0; n < codes.length; n++) mask |= lookup[n][codes[n][row]];
      total[source[row] * size + mask] += count ? count[row] : 1;
      if (first?.[row]) counted = false;
      if (mask === 0 && !counted) {
        asked[source[row]]++;
        counted = true;
      }
    }
    return { total, asked, size };
  };

  // The rows of a source, or of all, whose mask satisfies `left`.
  const sum = ({ total, size }, left, source = null) => {
    let found = 0;
    const [from, to] = source === null ? [0, total.length] : [source * size, (source + 1) * size];
    for (let at = from; at < to; at++) if (total[at] && left(at % size)) found += total[at];
    return found;
  };
  const sumAsked = ({ asked }) => asked.reduce((whole, part) => whole + part, 0);

  const draw = (measure) => {
    const view = Charts.views[`measure-${measure}`];
    if (!view) return;
    const own = gates.filter((gate) => gate.measure === measure && gate.kind !== "required" && valueOf(gate) !== null);
    const limit = (kind, none) => own.filter((gate) => gate.kind === kind).map(valueOf)[0] ?? none;
    view.signal("least", limit("min", -1e300)).signal("most", limit("max", 1e300));
    view.data("gates", own.map((gate) => ({ value: valueOf(gate) }))).runAsync();
  };

  // Moves the thumb of a slider to a step.
  const move = (gate, at) => {
    gate.at = Math.min(gate.steps.length - 1, Math.max(0, at));
    const { min, max } = gate.input;
    gate.input.value = gate.places[gate.at];
    gate.input.style.setProperty("--at", `${(100 * (gate.places[gate.at] - min)) / (max - min || 1)}%`);
  };

  // Lays the sliders over the axis of their chart, so that each thumb stands above its value; "off" is beyond it.
  const align = (measure, view) => {
    const scale = view.scale("x"), width = view.width(), left = view.origin()[0] + view.padding().left;
    const { positions } = whatIf.measures[measure];
    for (const gate of gates.filter((one) => one.measure === measure && one.kind !== "required" && one.input)) {
      const [before, after] = gate.kind === "min" ? [OFF, 0] : [0, OFF];
      const on = (value) => Math.min(width, Math.max(0, scale(value) || 0)); // what is beyond the axis is at its end
      gate.places = gate.steps.map((at) => (at === null ? (gate.kind === "min" ? -OFF : width + OFF) : on(positions[at])));
      Object.assign(gate.input, { min: -before, max: width + after });
      gate.input.classList.add("placed");
      gate.input.style.flex = `0 0 ${width + before + after + THUMB}px`;
      gate.input.style.marginLeft = `${left - before - THUMB / 2}px`;
      gate.input.nextElementSibling.style.left = `${left + (gate.kind === "min" ? -OFF : width + OFF)}px`;
      move(gate, gate.at);
    }
    draw(measure);
  };

  const nearest = (places, value) => places.reduce((best, place, at) => (Math.abs(place - value) < Math.abs(places[best] - value) ? at : best), 0);
  const keys = {
    ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -6, PageUp: 6, Home: -Infinity, End: Infinity,
  };
  const listen = (gate) => {
    const moved = () => { update(); draw(gate.measure); };
    if (gate.kind === "required") return gate.input.addEventListener("input", moved);
    gate.input.classList.add(gate.kind);
    gate.input.addEventListener("input", () => { move(gate, nearest(gate.places, Number(gate.input.value))); moved(); });
    gate.input.addEventListener("keydown", (event) => {
      if (!(event.key in keys)) return;
      event.preventDefault(); // the keys go from one value to the next, however far apart these are
      move(gate, gate.at + keys[event.key]);
      moved();
    });
  };

  const some = (count, what) => `${number(count)} ${what}${count === 1 ? "" : "s"}`;
  const put = (id, text) => { document.getElementById(id).textContent = text; };
  const change = (now, before) => (now === before ? "" : `${now > before ? "+" : "−"}${number(Math.abs(now - before))}`);
  let clips, questions, start;

  const update = () => {
    const tables = whatIf.measures.map((_, measure) => failing(measure));
    const ofClips = masksOf(clips, tables), ofQuestions = masksOf(questions, tables);
    const kept = (mask) => mask === 0;
    const now = { clips: sum(ofClips, kept), asked: sumAsked(ofQuestions), questions: sum(ofQuestions, kept) };
    start ??= now;
    for (const name of ["clips", "asked", "questions"]) {
      put(`joint-${name}`, number(now[name]));
      put(`change-${name}`, change(now[name], start[name]));
    }
    for (const gate of gates.filter((one) => one.input)) {
      const value = valueOf(gate), output = gate.find(".value");
      const text = value === null ? "off" : `${value} ${output.dataset.unit}`.trim();
      output.textContent = text;
      if (gate.kind !== "required") gate.input.setAttribute("aria-valuetext", text);
      const alone = (mask) => !(mask & gate.bit), only = (mask) => mask === gate.bit;
      const ofItself = some(sum(ofQuestions, alone), "question");
      const isQuestion = !("m" + gate.measure in clips.found);
      const name = { min: "At least", max: "At most", required: "A claim is required" }[gate.kind];
      gate.find(".alone").textContent = value === null ? "" : isQuestion
        ? `${name}: on its own it keeps ${ofItself}; ${some(sum(ofQuestions, only), "question")} dropped by this gate alone.`
        : `${name}: on its own it keeps ${some(sum(ofClips, alone), "clip")} and ${ofItself}; ${some(sum(ofClips, only), "clip")} dropped by this gate alone.`;
    }
    const rows = whatIf.sources.map((name, source) => {
      const row = document.createElement("tr");
      const head = document.createElement("th");
      head.scope = "row";
      head.textContent = name;
      row.append(head);
      const cells = [sum(ofClips, () => true, source), sum(ofClips, kept, source), ofQuestions.asked[source], sum(ofQuestions, kept, source)];
      for (const value of cells) {
        const cell = document.createElement("td");
        cell.className = "number";
        cell.textContent = number(value);
        row.append(cell);
      }
      return row;
    });
    document.querySelector("#by-source tbody").replaceChildren(...rows);
    const moved = gates.filter((gate) => gate.input && (gate.kind === "required"
      ? gate.input.checked !== gate.current : gate.at !== gate.begin));
    const set = moved.map((gate) => [gate.name, String(valueOf(gate) ?? (gate.kind === "required" ? "false" : "null"))]);
    const { workspace, profile } = document.getElementById("command").dataset;
    const words = set.map(([name, value]) => ` --set gates.${name}=${value}`);
    document.querySelector("#command code").textContent = `motionsight split --output ${quoted(workspace)}${words.join("")} --dry-run`;
    const yaml = `extends: ${JSON.stringify(profile)}\ngates:${set.length ? "" : " {}"}\n${set.map(([name, value]) => `  ${name}: ${value}\n`).join("")}`;
    document.getElementById("yaml").href = `data:application/yaml;charset=utf-8,${encodeURIComponent(yaml)}`;
    document.getElementById("reset").disabled = !moved.length;
    // In the address, as far as it is not a section's: only this part of it may change in a file.
    if (set.length || location.hash.includes("=")) history.replaceState(null, "", `#${new URLSearchParams(set)}`);
  };

  const quoted = (text) => /^[\w./:@%+,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;

  // Move the gates to where the address says.
  const restore = () => {
    for (const [name, text] of new URLSearchParams(location.hash.slice(1))) {
      const gate = gates.find((one) => one.name === name && one.input);
      if (!gate) continue;
      if (gate.kind === "required") gate.input.checked = text === "true";
      const { positions } = whatIf.measures[gate.measure] ?? {};
      const step = gate.steps?.findIndex((at) => (at === null ? "null" : String(positions?.[at])) === text) ?? -1;
      if (gate.kind !== "required" && step >= 0) move(gate, step);
    }
    update();
    whatIf.measures.forEach((_, measure) => draw(measure));
  };

  const reset = () => {
    for (const gate of gates.filter((one) => one.input)) {
      if (gate.kind === "required") gate.input.checked = gate.current;
      else move(gate, gate.begin);
    }
    update();
    whatIf.measures.forEach((_, measure) => draw(measure));
  };

  // The gates, if any clip was measured.
  const begin = async () => {
    [clips, questions] = await Promise.all([unpack(whatIf.clips), unpack(whatIf.questions)]);
    for (const gate of gates.filter((one) => one.input)) {
      if (gate.kind !== "required") gate.input.max = gate.steps.length - 1;
      listen(gate);
    }
    whatIf.measures.forEach((_, measure) => Charts.follow(`measure-${measure}`, (view) => align(measure, view)));
    document.getElementById("reset").addEventListener("click", reset);
    const asked = location.hash;
    reset();
    if (asked.includes("=")) {
      history.replaceState(null, "", asked);
      restore();
    }
  };
  const ready = (async () => {
    if (document.getElementById("what-if")) await begin();
    await Charts.drawAll();
    document.documentElement.dataset.ready = "yes";
  })();
  ready.catch((error) => { put("left", `The gates cannot be shown in this browser: ${error.message}`); throw error; });
}
