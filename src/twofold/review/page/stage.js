// The large image: zoom, drag, and the heat map that lies over it.

const LARGEST = 16; // screen pixels for one of the image; tiny images may have more
const STEP = 1.25; // one press of plus
const MOVE = 0.15; // of the stage, one press of an arrow key

export class Stage {
  #size = { width: 1, height: 1 };
  #scale = 1;
  #x = 0;
  #y = 0;
  #fitted = true;
  #pointers = new Map();
  #pinch = 0;

  /**
   * stage: the window; canvas: what moves in it; image: the <img>.
   * onZoom(percent): called after each change; onDetail(): when the picture sent is too coarse.
   */
  constructor({ stage, canvas, image, onZoom, onDetail }) {
    Object.assign(this, { stage, canvas, image, onZoom, onDetail });
    stage.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    stage.addEventListener("dblclick", (event) => this.#double(event));
    for (const kind of ["pointerdown", "pointermove", "pointerup", "pointercancel"]) {
      stage.addEventListener(kind, (event) => this.#pointer(event));
    }
    new ResizeObserver(() => (this.#fitted ? this.fit() : this.#place())).observe(stage);
  }

  /** Show another image of a size in pixels, whole. */
  reset(width, height) {
    this.#size = { width, height };
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${height}px`;
    this.fit();
  }

  get zoomed() {
    return !this.#fitted;
  }

  /** The whole image, as large as the stage. */
  fit() {
    this.#fitted = true;
    this.#scale = this.#fitScale();
    this.#place();
  }

  /** One pixel of the image for each of the screen, about a point (by default the middle). */
  pixels(point = this.#middle()) {
    this.zoomTo(1 / window.devicePixelRatio, point);
  }

  /** Larger or smaller by steps. */
  zoomBy(steps, point = this.#middle()) {
    this.zoomTo(this.#scale * STEP ** steps, point);
  }

  /** Zoom to a scale, so that what is at a point of the stage stays there. */
  zoomTo(scale, point) {
    const smallest = Math.min(this.#fitScale(), 1 / window.devicePixelRatio);
    const largest = Math.max(4 * this.#fitScale(), LARGEST / window.devicePixelRatio);
    const next = Math.max(smallest, Math.min(scale, largest));
    this.#x = point.x - ((point.x - this.#x) * next) / this.#scale;
    this.#y = point.y - ((point.y - this.#y) * next) / this.#scale;
    this.#scale = next;
    this.#fitted = Math.abs(next - this.#fitScale()) < 1e-6;
    this.#place();
  }

  /** Move by shares of the stage. */
  move(across, down) {
    this.#x -= across * MOVE * this.stage.clientWidth;
    this.#y -= down * MOVE * this.stage.clientHeight;
    this.#place();
  }

  #fitScale() {
    const { clientWidth, clientHeight } = this.stage;
    return Math.min(clientWidth / this.#size.width, clientHeight / this.#size.height) || 1;
  }

  #middle() {
    return { x: this.stage.clientWidth / 2, y: this.stage.clientHeight / 2 };
  }

  #place() {
    this.#x = held(this.#x, this.#size.width * this.#scale, this.stage.clientWidth);
    this.#y = held(this.#y, this.#size.height * this.#scale, this.stage.clientHeight);
    this.canvas.style.transform =
      `translate(${this.#x}px, ${this.#y}px) scale(${this.#scale})`;
    const share = this.#scale * window.devicePixelRatio;
    this.canvas.classList.toggle("sharp", share >= 4);
    this.stage.classList.toggle("zoomed", !this.#fitted);
    this.onZoom(Math.round(100 * share));
    const sent = this.image.naturalWidth / this.#size.width;
    if (sent && sent < 0.999 && share > 1.05 * sent) this.onDetail();
  }

  #at(event) {
    const box = this.stage.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  #wheel(event) {
    event.preventDefault();
    this.zoomBy(event.deltaY < 0 ? 1 : -1, this.#at(event));
  }

  #double(event) {
    if (this.zoomed) this.fit();
    else this.pixels(this.#at(event));
  }

  /** One pointer moves the image, two zoom it. */
  #pointer(event) {
    const before = this.#pointers.get(event.pointerId);
    if (event.type === "pointerdown") {
      this.stage.setPointerCapture(event.pointerId);
      this.#pointers.set(event.pointerId, this.#at(event));
      this.#pinch = this.#distance();
    } else if (event.type !== "pointermove") {
      this.#pointers.delete(event.pointerId);
      this.#pinch = this.#distance();
    } else if (before) {
      const now = this.#at(event);
      this.#pointers.set(event.pointerId, now);
      if (this.#pointers.size > 1) {
        const distance = this.#distance();
        if (this.#pinch) this.zoomTo((this.#scale * distance) / this.#pinch, this.#between());
        this.#pinch = distance;
      } else if (this.zoomed) {
        this.#x += now.x - before.x;
        this.#y += now.y - before.y;
        this.#place();
      }
    }
  }

  #distance() {
    const [first, second] = [...this.#pointers.values()];
    return second ? Math.hypot(first.x - second.x, first.y - second.y) : 0;
  }

  #between() {
    const [first, second] = [...this.#pointers.values()];
    return { x: (first.x + second.x) / 2, y: (first.y + second.y) / 2 };
  }
}

/** Where an image of a length may begin in a window: centred if shorter, without a gap if longer. */
function held(start, length, window_) {
  if (length <= window_) return (window_ - length) / 2;
  return Math.min(0, Math.max(window_ - length, start));
}
