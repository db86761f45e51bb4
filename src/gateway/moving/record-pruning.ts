import { forgetMoved } from '../../moving/old-owner.ts';
import type { GuildMover } from '../store/moving/guild-mover.ts';
import type { GuildOwnership } from './guild-ownership.ts';

/** Records that are looked at in one step: few enough not to delay requests noticeably. */
const RECORDS_PER_STEP = 200;

/** Forgets guilds that were given away so long ago that their set-aside copies have expired. Goes round the records, some in each step. */
export class RecordPruning {
  readonly #ownership: GuildOwnership;
  readonly #mover: GuildMover;
  #guilds: Iterator<string> = [].values();

  constructor(ownership: GuildOwnership, mover: GuildMover) {
    this.#ownership = ownership;
    this.#mover = mover;
  }

  /** @throws the errors of the database; nothing is forgotten then */
  step(): void {
    const { state } = this.#ownership;
    const some: string[] = [];
    for (let i = 0; i < RECORDS_PER_STEP && state.records.size > 0; i++) {
      const next = this.#guilds.next();
      if (next.done === true) {
        this.#guilds = state.records.keys();
        break;
      }
      some.push(next.value);
    }
    const hasCopy = (guild: string, epoch: number): boolean => this.#mover.setAside.find(guild, epoch) !== null;
    this.#ownership.commit(forgetMoved(state, some, hasCopy));
  }
}
