// The grid: of any number of clips, only those on the screen are in the page, and only they are asked for.

const PAGE = 60; // clips in a request
const KEPT = 60; // requests' answers that are kept
const SPARE = 2; // rows beyond the screen
const NARROWEST = 190, GAP = 16, TEXT = 50; // pixels
const RATIO = 10 / 16; // height of a picture
const SETTLED_MS = 120; // without scrolling, until pictures are asked for
const AGAIN_MS = 1500, TRIES = 4;
const AT_ONCE = 4; // pictures: browsers have six connections to a server, and the rest must not wait for slow ones
const BLIND = ["missing_file", "not_a_video", "no_video_stream"]; // errors of clips that have no pictures

export const element = (name, attributes = {}, ...children) => {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "text") made.textContent = value;
    else if (value !== undefined && value !== null && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return made;
};

export const readable = (name) => name.replaceAll("_", " ");
export const whole = (value) => value.toLocaleString("en-US");
export const short = (value) => (value === null || value === undefined ? "–" : String(Number(value.toPrecision(3))));
export const picture = (kind, id) => `/pictures/${kind}/${encodeURIComponent(id)}`;

export class Grid {
  // load(offset, limit): the clips; href(id): of a clip's link; open(id): shows it; note(clip): a number beside its length.
  constructor(list, { load, href, open, note }) {
    Object.assign(this, { list, load, href, open, note });
    this.total = 0;
    this.here = 0; // the clip that Tab reaches
    this.cards = new Map();
    this.pages = new Map(); // promises of clips
    this.ready = new Map(); // the clips that have come
    this.turn = 0;
    this.loading = new Map(); // the image that is on its way, by card
    window.addEventListener("scroll", () => this.draw(), { passive: true });
    new ResizeObserver(() => this.measure()).observe(list);
    list.addEventListener("keydown", (event) => this.key(event));
    list.addEventListener("focusin", (event) => {
      const at = Number(event.target.closest("li")?.dataset.at);
      if (!Number.isNaN(at) && at !== this.here) this.mark(at);
    });
    list.addEventListener("click", (event) => {
      const link = event.target.closest("a");
      if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
      event.preventDefault();
      this.open(link.dataset.id);
    });
  }

  reset(total, first = null) {
    this.turn++;
    this.total = total;
    this.here = Math.min(this.here, Math.max(0, total - 1));
    this.pages.clear();
    this.ready.clear();
    if (first) {
      this.pages.set(0, Promise.resolve(first));
      this.ready.set(0, first);
    }
    for (const card of this.cards.values()) this.drop(card);
    this.cards.clear();
    this.measure();
  }

  measure() {
    const width = this.list.clientWidth;
    this.columns = Math.max(2, Math.floor((width + GAP) / (NARROWEST + GAP)));
    this.wide = (width - GAP * (this.columns - 1)) / this.columns;
    this.high = Math.round(this.wide * RATIO) + TEXT + GAP;
    this.list.style.height = `${Math.ceil(this.total / this.columns) * this.high}px`;
    for (const [at, card] of this.cards) this.place(card, at);
    this.draw();
  }

  place(card, at) {
    card.style.width = `${this.wide}px`;
    card.style.height = `${this.high - GAP}px`;
    card.style.transform = `translate(${(at % this.columns) * (this.wide + GAP)}px, ${Math.floor(at / this.columns) * this.high}px)`;
  }

  draw() {
    const top = -this.list.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor(top / this.high) - SPARE) * this.columns;
    const last = Math.min(this.total, (Math.ceil((top + window.innerHeight) / this.high) + SPARE) * this.columns);
    for (const [at, card] of this.cards) {
      if ((at < first || at >= last) && !card.contains(document.activeElement)) {
        this.drop(card);
        this.cards.delete(at);
      }
    }
    for (let at = first; at < last; at++) if (!this.cards.has(at)) this.add(at);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.settle(), SETTLED_MS);
  }

  drop(card) {
    card.remove();
    this.loading.get(card)?.removeAttribute("src");
    this.loading.delete(card);
  }

  add(at) {
    const card = element("li", { "data-at": at, "aria-setsize": this.total, "aria-posinset": at + 1 });
    this.place(card, at);
    this.cards.set(at, card);
    // In order, for those who read the page and do not see it.
    const after = [...this.list.children].find((other) => Number(other.dataset.at) > at);
    this.list.insertBefore(card, after ?? null);
    const clip = this.ready.get(Math.floor(at / PAGE))?.[at % PAGE];
    if (clip) this.fill(card, at, clip);
  }

  async settle() {
    const turn = this.turn;
    const wanted = new Set([...this.cards.keys()].map((at) => Math.floor(at / PAGE)));
    await Promise.all([...wanted].map((page) => this.page(page)));
    if (turn !== this.turn) return;
    for (const [at, card] of this.cards) {
      const clips = await this.page(Math.floor(at / PAGE));
      if (turn !== this.turn) return;
      if (clips[at % PAGE] && !card.firstChild) this.fill(card, at, clips[at % PAGE]);
    }
    this.pictures();
  }

  // Asks for pictures of the cards on the screen, a few at a time.
  pictures() {
    for (const card of this.cards.values()) {
      if (this.loading.size >= AT_ONCE) return;
      this.show(card);
    }
  }

  page(number) {
    if (!this.pages.has(number)) {
      const turn = this.turn;
      const asked = this.load(number * PAGE, PAGE).then(
        (clips) => { if (turn === this.turn) this.ready.set(number, clips); return clips; },
        () => { if (turn === this.turn) this.pages.delete(number); return []; },
      );
      this.pages.set(number, asked);
      for (const old of this.pages.keys()) {
        if (this.pages.size <= KEPT) break;
        this.pages.delete(old);
        this.ready.delete(old);
      }
    }
    return this.pages.get(number);
  }

  // The clip at a place of the list; undefined where there is none.
  async at(place) {
    if (place < 0 || place >= this.total) return undefined;
    return (await this.page(Math.floor(place / PAGE)))[place % PAGE];
  }

  fill(card, at, clip) {
    const verdict = clip.outcome === "kept" ? (clip.annotation === "failed" ? `annotation failed: ${clip.why}` : "") : [clip.outcome, clip.why].filter(Boolean).join(": ");
    const facts = [
      clip.duration_s === null ? "" : `${clip.duration_s.toFixed(1)} s`,
      clip.labels.map(readable).join(", "),
      this.note(clip),
    ].filter(Boolean).join(" · ");
    const link = element(
      "a",
      { href: this.href(clip.id), "data-id": clip.id, "data-blind": BLIND.includes(clip.why), tabindex: at === this.here ? 0 : -1, title: clip.name },
      element("span", { class: "picture" }),
      element("span", { class: "name", text: clip.name }),
      verdict ? element("span", { class: `verdict ${clip.outcome === "pending" ? "" : "bad"}`, text: verdict }) : element("span", { class: "facts", text: facts || "not measured yet" }),
    );
    card.replaceChildren(link);
  }

  show(card) {
    const link = card.firstChild, frame = link?.firstChild;
    if (!frame || frame.firstChild || !this.near(card)) return;
    const none = () => frame.replaceChildren(element("span", { class: "none", text: "no picture" }));
    if ("blind" in link.dataset) return none();
    link.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && this.scrub(link, frame));
    const source = picture("frame", link.dataset.id);
    const image = element("img", { alt: "", decoding: "async" });
    const done = () => { this.loading.delete(card); this.pictures(); };
    let tries = 0;
    image.addEventListener("load", () => { frame.classList.add("shown"); done(); });
    image.addEventListener("error", async () => {
      if (!card.isConnected) return;
      // Only a server that is busy is asked again.
      const answer = ++tries < TRIES ? await fetch(source).catch(() => null) : null;
      if (answer && (answer.ok || answer.status === 503)) return setTimeout(() => { if (card.isConnected) image.src = `${source}?again=${tries}`; }, AGAIN_MS);
      none();
      done();
    });
    this.loading.set(card, image);
    image.src = source;
    frame.append(image);
  }

  near(card) {
    const { top, bottom } = card.getBoundingClientRect();
    return bottom > -this.high && top < window.innerHeight + this.high;
  }

  // Under the mouse, the picture follows it through the clip.
  scrub(link, frame) {
    if (frame.querySelector("canvas")) return;
    const strip = new Image();
    const canvas = element("canvas", { "aria-hidden": true });
    let where = 0.5;
    const paint = () => {
      if (!strip.complete || !strip.naturalWidth) return;
      const count = 8, width = strip.naturalWidth / count, height = strip.naturalHeight;
      const n = Math.min(count - 1, Math.max(0, Math.floor(where * count)));
      canvas.width = frame.clientWidth * devicePixelRatio;
      canvas.height = frame.clientHeight * devicePixelRatio;
      const scale = Math.min(canvas.width / width, canvas.height / height);
      const context = canvas.getContext("2d");
      context.fillStyle = getComputedStyle(frame).backgroundColor;
      context.fillRect(0, 0, canvas.width, canvas.height);
      context.drawImage(strip, n * width, 0, width, height, (canvas.width - width * scale) / 2, (canvas.height - height * scale) / 2, width * scale, height * scale);
      context.fillStyle = "rgb(255 255 255 / 85%)";
      context.fillRect((canvas.width * n) / count, canvas.height - 3 * devicePixelRatio, canvas.width / count, 3 * devicePixelRatio);
    };
    const move = (event) => {
      const box = frame.getBoundingClientRect();
      where = (event.clientX - box.left) / box.width;
      paint();
    };
    strip.addEventListener("load", paint);
    strip.src = picture("strip", link.dataset.id);
    frame.append(canvas);
    link.addEventListener("pointermove", move);
    link.addEventListener("pointerleave", () => { canvas.remove(); link.removeEventListener("pointermove", move); }, { once: true });
  }

  mark(at) {
    this.cards.get(this.here)?.firstChild?.setAttribute("tabindex", -1);
    this.here = at;
    this.cards.get(at)?.firstChild?.setAttribute("tabindex", 0);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !event.target.closest("li")) return;
    const rows = Math.max(1, Math.floor(window.innerHeight / this.high));
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns, ArrowDown: this.columns, PageUp: -rows * this.columns, PageDown: rows * this.columns, Home: -this.total, End: this.total };
    if (!(event.key in steps)) return;
    event.preventDefault();
    const step = steps[event.key];
    const to = this.here + step;
    if (Math.abs(step) > 1 && Math.abs(step) < this.total && (to < 0 || to >= this.total)) return;
    this.focus(Math.min(this.total - 1, Math.max(0, to)));
  }

  reach(at) {
    const top = Math.floor(at / this.columns) * this.high + this.list.getBoundingClientRect().top;
    const head = document.querySelector("header").offsetHeight + GAP;
    if (top < head) window.scrollBy({ top: top - head, behavior: "instant" });
    else if (top + this.high > window.innerHeight) window.scrollBy({ top: top + this.high - window.innerHeight, behavior: "instant" });
  }

  async focus(at) {
    this.reach(at);
    this.draw();
    this.mark(at);
    const card = this.cards.get(at);
    if (card && !card.firstChild) {
      const clip = await this.at(at);
      if (clip && !card.firstChild) this.fill(card, at, clip);
    }
    card?.firstChild?.focus({ preventScroll: true });
  }
}
