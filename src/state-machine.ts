/** A state machine whose table lists the allowed transitions. The state changes in one place only. */
export class StateMachine<State extends string> {
  readonly #allowed: Readonly<Record<State, readonly State[]>>;
  #current: State;

  /** @param allowed for each state, the states that may follow; a state without successors is final */
  constructor(initial: State, allowed: Readonly<Record<State, readonly State[]>>) {
    this.#current = initial;
    this.#allowed = allowed;
  }

  get current(): State {
    return this.#current;
  }

  /** Whether the machine is in one of these states. */
  is(...states: readonly State[]): boolean {
    return states.includes(this.#current);
  }

  /** @returns whether the state may follow the current one; if not, nothing changes */
  enter(next: State): boolean {
    if (!this.#allowed[this.#current].includes(next)) return false;
    this.#current = next;
    return true;
  }
}
