"use strict";
{
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const specs = read("charts-data");
  const whatIf = read("what-if-data");
  const number = (value) => value.toLocaleString("en-US");
  const FAILS = 255, ABSENT = 254, PASSES = 253;

  // Each gate has a bit; a row's mask holds the gates that would drop it.
  const gates = whatIf.gates.map((gate, bit) => {
    const input = document.getElementById(`gate-${gate.name}`);
    const off = gate.kind === "max" ? gate.offered.length : 0;
    // Slider steps, left to right in rising value, with "off" at the end where all pass.
    const steps = gate.kind === "max" ? [...gate.offered, null] : [null, ...gate.offered];
    const begin = gate.current === null ? off : steps.indexOf(gate.current);
    return { ...gate, bit: 1 << bit, input, steps, begin, box: input?.closest(".gate") };
  });

  // Where a gate stands: an index into its measure's positions, or null when it is off; for one that requires
  // a value, whether it is on. A gate that the page does not show stays where it is set.
  const standing = (gate) => {
    if (gate.kind === "required") return gate.input ? gate.input.checked : gate.current;
    return gate.steps[gate.input ? Number(gate.input.value) : gate.begin];
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

  const views = {};
  const draw = (measure) => {
    const view = views[`measure-${measure}`];
    if (!view) return;
    const own = gates.filter((gate) => gate.measure === measure && gate.kind !== "required" && valueOf(gate) !== null);
    const limit = (kind, none) => own.filter((gate) => gate.kind === kind).map(valueOf)[0] ?? none;
    view.signal("least", limit("min", -1e300)).signal("most", limit("max", 1e300));
    view.data("gates", own.map((gate) => ({ value: valueOf(gate) }))).runAsync();
  };

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
      const value = valueOf(gate);
      const text = value === null ? "off" : gate.kind === "min" ? `at least ${value}` : `at most ${value}`;
      gate.box.querySelector(".value").textContent = text;
      if (gate.kind !== "required") gate.input.setAttribute("aria-valuetext", text);
      const alone = (mask) => !(mask & gate.bit), only = (mask) => mask === gate.bit;
      const ofItself = `${number(sum(ofQuestions, alone))} questions`;
      const isQuestion = !("m" + gate.measure in clips.found);
      gate.box.querySelector(".alone").textContent = value === null ? "" : isQuestion
        ? `on its own it keeps ${ofItself}; ${number(sum(ofQuestions, only))} are dropped by this gate alone`
        : `on its own it keeps ${number(sum(ofClips, alone))} clips and ${ofItself}; ${number(sum(ofClips, only))} clips are dropped by this gate alone`;
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
      ? gate.input.checked !== gate.current : Number(gate.input.value) !== gate.begin));
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
      if (gate.kind !== "required" && step >= 0) gate.input.value = step;
    }
    update();
    whatIf.measures.forEach((_, measure) => draw(measure));
  };

  const reset = () => {
    for (const gate of gates.filter((one) => one.input)) {
      if (gate.kind === "required") gate.input.checked = gate.current;
      else gate.input.value = gate.begin;
    }
    update();
    whatIf.measures.forEach((_, measure) => draw(measure));
  };

  const ready = (async () => {
    [clips, questions] = await Promise.all([unpack(whatIf.clips), unpack(whatIf.questions)]);
    for (const gate of gates.filter((one) => one.input)) {
      gate.input.addEventListener("input", () => { update(); draw(gate.measure); });
    }
    document.getElementById("reset").addEventListener("click", reset);
    const asked = location.hash;
    reset();
    if (asked.includes("=")) {
      history.replaceState(null, "", asked);
      restore();
    }
    await Promise.all([...document.querySelectorAll("[data-chart]")].map(async (place) => {
      const options = { actions: false, loader: { target: "clips" }, renderer: "svg", ast: true };
      const { view } = await vegaEmbed(place, specs[place.dataset.chart], options);
      views[place.dataset.chart] = view;
    }));
    whatIf.measures.forEach((_, measure) => draw(measure));
    document.documentElement.dataset.ready = "yes";
  })();
  ready.catch((error) => { put("left", `The gates cannot be shown in this browser: ${error.message}`); throw error; });
}
