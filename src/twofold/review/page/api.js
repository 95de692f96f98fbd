// What the page asks of its server, and pictures that are fetched ahead.

const OWN_HEADER = { "X-Twofold-Review": "1" };

/** An answer's JSON; an Error with a sentence for the user where there is none. */
async function answered(promise) {
  let answer;
  try {
    answer = await promise;
  } catch {
    throw new Error(
      "The server does not answer. All earlier marks are saved. Start the same command again in " +
        "the terminal and open the new address.",
    );
  }
  if (!answer.ok) {
    const text = await answer.text();
    throw new Error(text.slice(0, 300) || `The server answered ${answer.status}.`);
  }
  return answer;
}

/** Ask for something; nothing is changed by it. */
export async function ask(path) {
  return (await answered(fetch(path))).json();
}

/** Change something: a mark, or the last one taken back. */
export async function tell(path, content) {
  const headers = { ...OWN_HEADER, "Content-Type": "application/json" };
  const body = JSON.stringify(content);
  return (await answered(fetch(path, { method: "POST", headers, body }))).json();
}

/** Pictures by address: fetched once, kept until they are no longer wanted. */
export class Pictures {
  #kept = new Map();

  /** {url, width, height, clear}: an address for <img>, and the size of the image in pixels. */
  get(path) {
    if (!this.#kept.has(path)) {
      const promise = this.#fetch(path);
      promise.catch(() => this.#kept.delete(path)); // so that it is tried again
      this.#kept.set(path, promise);
    }
    return this.#kept.get(path);
  }

  /** Forget all pictures but those of some images, so that memory stays flat. */
  keepOnly(images) {
    const wanted = images.map((image) => `/api/images/${image}/`);
    for (const [path, promise] of this.#kept) {
      if (wanted.some((start) => path.startsWith(start))) continue;
      this.#kept.delete(path);
      promise.then((picture) => URL.revokeObjectURL(picture.url)).catch(() => {});
    }
  }

  async #fetch(path) {
    const answer = await answered(fetch(path));
    const [width, height] = answer.headers.get("X-Image-Size").split("x").map(Number);
    const clear = answer.headers.get("X-Map-Clear") === "1"; // a heat map without any colour
    return { url: URL.createObjectURL(await answer.blob()), width, height, clear };
  }
}
