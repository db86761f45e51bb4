/**
 * The processes of other pods that messages come from. A pod whose volume was restored does not know what its earlier processes have
 * sent, so after its `recover` nothing of those is taken any more.
 */
export class Senders {
  readonly #byPod = new Map<number, { readonly seen: Set<string>; readonly refused: Set<string> }>();

  /** @returns false: the message is of a process that has been followed by one whose volume was restored */
  admits(pod: number, process: string, isRecover: boolean): boolean {
    let known = this.#byPod.get(pod);
    if (known === undefined) {
      known = { seen: new Set(), refused: new Set() };
      this.#byPod.set(pod, known);
    }
    const { seen, refused } = known;
    if (refused.has(process)) return false;
    seen.add(process);
    if (isRecover) {
      for (const earlier of seen) if (earlier !== process) refused.add(earlier);
    }
    return true;
  }
}
