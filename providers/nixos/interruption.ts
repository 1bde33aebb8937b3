/** Ctrl-C. From then on, running jobs are asked to stop, and followed until they have. */
export class Interruption {
  happened = false;
  readonly #listeners = new Set<() => void>();

  happen(): void {
    this.happened = true;
    for (const listener of [...this.#listeners]) listener();
  }

  /** Tells the listener, also if it has happened already; the answer stops telling. */
  listen(listener: () => void): () => void {
    if (this.happened) listener();
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Did it happen before the work ended? The work goes on. */
  async before(work: Promise<unknown>): Promise<boolean> {
    let stopListening = () => {};
    const happened = new Promise<boolean>((resolve) => {
      stopListening = this.listen(() => resolve(true));
    });
    const ended = work.then(
      () => false,
      () => false,
    );
    return Promise.race([ended, happened]).finally(stopListening);
  }
}

export const interruption = new Interruption();
