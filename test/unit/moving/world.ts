import type { OwnerOf } from '../../../src/moving/authority.ts';
import { decideRequest } from '../../../src/moving/decide.ts';
import { beginFinish, finish } from '../../../src/moving/finish.ts';
import type { Message } from '../../../src/moving/messages.ts';
import {
  beginParcel,
  forgetMoved,
  isLeaving,
  offerParcel,
  offerServed,
  shrinkParcel,
  undoParcel,
} from '../../../src/moving/old-owner.ts';
import { receive } from '../../../src/moving/receive.ts';
import { beginRecovery } from '../../../src/moving/recovery.ts';
import { repeat } from '../../../src/moving/repeat.ts';
import { type Attempt, applyWrites, initialState, type MovingState, sameAttempt } from '../../../src/moving/state.ts';
import type { Step } from '../../../src/moving/step.ts';
import { adoptTopology, newsOf, settle } from '../../../src/moving/topologies.ts';
import type { TopologyRecord } from '../../../src/routing/topology.ts';

/** The rows of a guild: the numbers of the writes that created them. */
type Rows = readonly number[];

/** Steps of the protocol that are broken on purpose, to show that the explorer detects it. */
export type Fault =
  | 'active before the old owner has given the guild away'
  | 'attempts are not told apart'
  | 'records are forgotten by a restart'
  | 'a restored pod serves at once'
  | 'done before the last guild has left'
  | 'a copy of a served guild is not compared';

export interface Scenario {
  readonly name: string;
  readonly guilds: readonly string[];
  /** By epoch, the first in force; pod 0 adopts the others in this order. Owners in the order of `guilds`. */
  readonly topologies: readonly { readonly pods: number; readonly owners: readonly number[] }[];
  readonly restores: boolean;
}

interface Disk {
  state: MovingState;
  incarnation: number;
  readonly rows: Map<string, Rows>;
  /** Set-aside copies, by guild and epoch. */
  readonly copies: Map<string, Rows>;
}

interface Pod extends Disk {
  counter: number;
  /** The last offer of guilds that are served meanwhile. In memory. */
  offered: { readonly attempt: Attempt; readonly rows: ReadonlyMap<string, Rows> } | null;
  /** Counts restored volumes. */
  boot: number;
  /** The state at the backup. */
  backup: Disk | null;
}

interface Packet {
  readonly from: number;
  readonly to: number;
  readonly message: Message;
  /** The sender's. */
  readonly boot: number;
  /** With an offer. */
  readonly rows: ReadonlyMap<string, Rows>;
}

const NO_ROWS: ReadonlyMap<string, Rows> = new Map();
/** More adds nothing new, and the number of worlds must be finite. */
const MAX_PACKETS = 8;
const MAX_WRITES = 6;
const MAX_RESTARTS = 4;

/** A possible event. */
export interface Event {
  readonly name: string;
  readonly happen: (world: World) => void;
}

export class Broken extends Error {}

/** Some pods with their disks, the messages in flight, and what clients were told. Deterministic, and cheap to copy. */
export class World {
  readonly scenario: Scenario;
  readonly topologies: readonly TopologyRecord[];
  readonly fault: Fault | null;
  readonly pods: Pod[];
  packets: Packet[];
  /** The acknowledged writes, by guild. */
  readonly acknowledged: Map<string, Rows>;
  /** Guilds of volumes that were restored: writes since the backup may be missing. */
  readonly tainted: Set<string>;
  writes: number;
  restarts: number;
  adopted: number;

  constructor(from: { readonly scenario: Scenario; readonly fault?: Fault | null } | World) {
    if (from instanceof World) {
      this.scenario = from.scenario;
      this.topologies = from.topologies;
      this.fault = from.fault;
      this.pods = from.pods.map((pod) => ({ ...pod, ...copyOf(pod) }));
      this.packets = [...from.packets];
      this.acknowledged = new Map(from.acknowledged);
      this.tainted = new Set(from.tainted);
      [this.writes, this.restarts, this.adopted] = [from.writes, from.restarts, from.adopted];
      return;
    }
    const { scenario, fault = null } = from;
    this.scenario = scenario;
    this.fault = fault;
    this.topologies = scenario.topologies.map(({ pods }, index) => ({
      ...{ strategy: 'md5', pods, shards: null, epoch: index + 1 },
    }));
    const count = Math.max(...this.topologies.map(({ pods }) => pods));
    const [first] = this.topologies as [TopologyRecord];
    this.pods = Array.from({ length: count }, (_, ordinal) => ({
      state: initialState(ordinal, first),
      ...{ incarnation: 1, counter: 0, offered: null, boot: 0, rows: new Map(), copies: new Map(), backup: null },
    }));
    this.packets = [];
    this.acknowledged = new Map(scenario.guilds.map((guild) => [guild, []]));
    this.tainted = new Set();
    [this.writes, this.restarts, this.adopted] = [0, 0, 1];
  }

  readonly ownerOf: OwnerOf = ({ epoch }, guild) =>
    this.scenario.topologies[epoch - 1]?.owners[this.scenario.guilds.indexOf(guild)] as number;

  serving(guild: string): Pod[] {
    return this.pods.filter(({ state }) => decideRequest(state, guild, this.ownerOf).kind === 'serve');
  }

  /** @throws Broken with what is wrong */
  check(): void {
    for (const guild of this.scenario.guilds) {
      const serving = this.serving(guild);
      if (serving.length > 1) {
        throw new Broken(`${serving.map(({ state }) => state.ordinal).join(' and ')} both serve ${guild}`);
      }
      const [owner] = serving;
      if (owner === undefined || this.tainted.has(guild)) continue;
      const [has, expected] = [owner.rows.get(guild) ?? [], this.acknowledged.get(guild) as Rows];
      if (has.join() !== expected.join()) {
        throw new Broken(
          `pod ${owner.state.ordinal} serves ${guild} with ${has.join() || 'nothing'} instead of ${expected.join() || 'nothing'}`,
        );
      }
    }
  }

  /** All possible events. */
  events(): Event[] {
    const events: Event[] = [];
    const add = (name: string, happen: (world: World) => void): void => void events.push({ name, happen });
    if (this.adopted < this.topologies.length && this.#state(0).recovering.size === 0)
      add('adopt', (world) => world.#adopt());
    for (const { state } of this.pods) {
      const { ordinal } = state;
      for (const guild of this.scenario.guilds) {
        if (this.writes < MAX_WRITES && decideRequest(state, guild, this.ownerOf).kind === 'serve')
          add(`write ${guild} at ${ordinal}`, (world) => world.#write(ordinal, guild));
      }
      if (this.#leaving(ordinal).length > 0) {
        add(`move from ${ordinal}`, (world) => world.#move(ordinal));
        add(`copy from ${ordinal}`, (world) => world.#copy(ordinal));
      }
      if ([...state.parcels.values()].some(({ guilds }) => guilds.length > 1)) {
        add(`keep one of a parcel at ${ordinal}`, (world) => world.#keepOne(ordinal));
      }
      if (state.parcels.size > 0) add(`undo at ${ordinal}`, (world) => world.#undo(ordinal));
      if (repeat(state).sends.length > 0)
        add(`repeat at ${ordinal}`, (world) => world.#run(ordinal, repeat(world.#state(ordinal))));
      const { writes } = this.#forgotten(ordinal);
      if (writes.length > 0) add(`forget at ${ordinal}`, (world) => world.#run(ordinal, world.#forgotten(ordinal)));
      if (state.chain.length > 1) {
        add(`finish at ${ordinal}`, (world) => world.#finish(ordinal));
        add(`news of ${ordinal}`, (world) => world.#news(ordinal));
        if (settle(state).writes.length > 0)
          add(`settle at ${ordinal}`, (world) => world.#run(ordinal, settle(world.#state(ordinal))));
      }
      if (this.restarts < MAX_RESTARTS) {
        add(`restart ${ordinal}`, (world) => world.#restart(ordinal));
        if (this.scenario.restores) {
          if (this.pods[ordinal]?.copies.size) add(`copies of ${ordinal} expire`, (world) => world.#expire(ordinal));
          add(`back up ${ordinal}`, (world) => world.#backUp(ordinal));
          add(`restore ${ordinal}`, (world) => world.#restore(ordinal));
        }
      }
    }
    this.packets.forEach((packet, index) => {
      const name = `${packet.message.kind} from ${packet.from} to ${packet.to}`;
      add(`deliver ${name}`, (world) => world.#deliver(index));
      if (packet.message.kind === 'news') return;
      add(`lose ${name}`, (world) => void world.packets.splice(index, 1));
      add(`repeat ${name}`, (world) => world.#deliver(index, { again: true }));
      if (this.restarts < MAX_RESTARTS)
        add(`deliver ${name}, then crash`, (world) => world.#deliver(index, { crash: true }));
    });
    return events;
  }

  /** Lets all pods work without losses until nothing changes. @throws Broken when guilds are not where the newest topology says */
  calm(): void {
    for (let round = 0; round < 40; round++) {
      // Pod 0 knows the newest topology from its environment, even if a restored volume lacks it.
      const given = adoptTopology(this.#state(0), this.topologies.at(-1) as TopologyRecord);
      if (!('refused' in given)) this.#run(0, given);
      for (const { state } of this.pods) {
        this.#run(state.ordinal, repeat(state));
        for (const pod of this.pods)
          if (pod.state !== state) this.#send(state.ordinal, pod.state.ordinal, { kind: 'news', news: newsOf(state) });
        this.#move(state.ordinal);
        this.#finish(state.ordinal);
        this.#finish(state.ordinal);
        this.#run(state.ordinal, settle(state));
        while (this.packets.length > 0) this.#deliver(0);
        this.check();
      }
      // An offer that was never stored is repeated.
      for (const { state } of this.pods) if (round % 3 === 2) this.#undo(state.ordinal);
    }
    const last = this.topologies.at(-1) as TopologyRecord;
    for (const { state } of this.pods) {
      if (state.chain.length > 1) throw new Broken(`pod ${state.ordinal} does not forget the old topology`);
    }
    for (const guild of this.scenario.guilds) {
      const owners = this.serving(guild).map(({ state }) => state.ordinal);
      if (owners.join() !== String(this.ownerOf(last, guild)))
        throw new Broken(
          `${guild} is served by ${owners.join() || 'no pod'} instead of pod ${this.ownerOf(last, guild)}`,
        );
    }
    this.check();
  }

  /** Two worlds with the same key continue identically. */
  key(): string {
    return JSON.stringify(
      [this.pods, this.packets, this.acknowledged, this.tainted, this.writes, this.restarts, this.adopted],
      (_, value) =>
        value instanceof Map ? [...value].toSorted() : value instanceof Set ? [...value].toSorted() : value,
    );
  }

  #state(ordinal: number): MovingState {
    return (this.pods[ordinal] as Pod).state;
  }

  #adopt(): void {
    const { state } = this.pods[0] as Pod;
    const step = adoptTopology(state, this.topologies[this.adopted] as TopologyRecord);
    if ('refused' in step) throw new Broken(step.refused);
    this.adopted++;
    this.#run(0, step);
  }

  #write(ordinal: number, guild: string): void {
    const { rows } = this.pods[ordinal] as Pod;
    const id = ++this.writes;
    rows.set(guild, [...(rows.get(guild) ?? []), id]);
    if (!this.tainted.has(guild)) this.acknowledged.set(guild, [...(this.acknowledged.get(guild) as Rows), id]);
  }

  #leaving(ordinal: number): string[] {
    const { state, rows } = this.pods[ordinal] as Pod;
    return this.scenario.guilds.filter(
      (guild) =>
        !state.leaving.has(guild) &&
        (rows.has(guild) || state.records.has(guild)) &&
        isLeaving(state, guild, this.ownerOf),
    );
  }

  /** The leaving guilds that go to the same pod as the first. */
  #ofOneOwner(ordinal: number): string[] {
    const leaving = this.#leaving(ordinal);
    const target = this.#state(ordinal).chain.at(-1) as TopologyRecord;
    return leaving.filter((guild) => this.ownerOf(target, guild) === this.ownerOf(target, leaving[0] as string));
  }

  /** One parcel with all guilds that go to the same pod as the first. */
  #move(ordinal: number): void {
    const pod = this.pods[ordinal] as Pod;
    const { state } = pod;
    const guilds = this.#ofOneOwner(ordinal);
    if (guilds.length === 0) return;
    const attempt = [pod.incarnation, ++pod.counter] as const;
    this.#run(ordinal, beginParcel(state, attempt, guilds, this.ownerOf));
    this.#run(ordinal, offerParcel(state, attempt));
  }

  /** The same, served meanwhile: they wait when the copy is stored. */
  #copy(ordinal: number): void {
    const pod = this.pods[ordinal] as Pod;
    const guilds = this.#ofOneOwner(ordinal);
    if (guilds.length === 0) return;
    const attempt = [pod.incarnation, ++pod.counter] as const;
    pod.offered = { attempt, rows: new Map(guilds.map((guild) => [guild, pod.rows.get(guild) ?? []])) };
    const { to, message } = offerServed(pod.state, attempt, guilds, this.ownerOf);
    this.#send(ordinal, to, message);
  }

  /** @returns false: their rows have changed since they were copied, so they stay */
  #pauseCopied(ordinal: number, message: Message): boolean {
    const { state, offered, rows } = this.pods[ordinal] as Pod;
    if (message.kind !== 'stored' || offered === null || !sameAttempt(message.attempt, offered.attempt)) return true;
    const guilds = this.#ofOneOwner(ordinal).filter((guild) => offered.rows.has(guild));
    if (guilds.length === 0) return true;
    this.#run(ordinal, beginParcel(state, offered.attempt, guilds, this.ownerOf));
    const isUnchanged = guilds.every((guild) => (rows.get(guild) ?? []).join() === offered.rows.get(guild)?.join());
    if (isUnchanged || this.fault === 'a copy of a served guild is not compared') return true;
    this.#run(ordinal, undoParcel(state, offered.attempt));
    return false;
  }

  /** As when a handler of one guild keeps running. */
  #keepOne(ordinal: number): void {
    const state = this.#state(ordinal);
    for (const { attempt, guilds } of [...state.parcels.values()])
      this.#run(ordinal, shrinkParcel(state, attempt, new Set(guilds.slice(0, 1))));
  }

  #undo(ordinal: number): void {
    const state = this.#state(ordinal);
    for (const { attempt } of [...state.parcels.values()]) this.#run(ordinal, undoParcel(state, attempt));
  }

  #finish(ordinal: number): void {
    const state = this.#state(ordinal);
    const remaining = this.fault !== 'done before the last guild has left' && this.#leaving(ordinal).length > 0;
    this.#run(ordinal, state.closing ? finish(state, remaining) : beginFinish(state, remaining));
  }

  #news(ordinal: number): void {
    const news = newsOf(this.#state(ordinal));
    for (const { state } of this.pods)
      if (state.ordinal !== ordinal) this.#send(ordinal, state.ordinal, { kind: 'news', news });
  }

  #restart(ordinal: number): void {
    this.restarts++;
    const pod = this.pods[ordinal] as Pod;
    const { state } = pod;
    pod.incarnation++;
    pod.counter = 0;
    pod.offered = null;
    state.parcels.clear();
    state.leaving.clear();
    state.closing = false;
    if (this.fault === 'records are forgotten by a restart') state.records.clear();
  }

  /** Copies are kept for a day, so only a restored volume may still want one. */
  #expire(ordinal: number): void {
    const { copies } = this.pods[ordinal] as Pod;
    for (const key of copies.keys()) this.tainted.add(key.split(' ')[0] as string);
    copies.clear();
  }

  #forgotten(ordinal: number): Step {
    const { state, copies } = this.pods[ordinal] as Pod;
    return forgetMoved(state, state.records.keys(), (guild, epoch) => copies.has(`${guild} ${epoch}`));
  }

  #backUp(ordinal: number): void {
    const pod = this.pods[ordinal] as Pod;
    pod.backup = copyOf(pod);
  }

  /** The volume as it was at the last backup; without one it is empty. */
  #restore(ordinal: number): void {
    const pod = this.pods[ordinal] as Pod;
    const [first] = this.topologies as [TopologyRecord];
    const disk = pod.backup ?? {
      state: initialState(ordinal, first, 0),
      incarnation: 1,
      rows: new Map(),
      copies: new Map(),
    };
    // Including guilds that it gave away without the new owner's knowledge: it has them again, in the state of the backup.
    const given = [...pod.state.records].filter(([, record]) => record.state === 'moved' && !record.confirmed);
    const before = [...pod.rows.keys(), ...disk.rows.keys(), ...given.map(([guild]) => guild)];
    for (const guild of before) this.tainted.add(guild);
    Object.assign(pod, copyOf(disk));
    // Messages to the earlier process are lost with its connections.
    this.packets = this.packets.filter(({ to }) => to !== ordinal);
    pod.boot++;
    this.#restart(ordinal);
    if (this.fault !== 'a restored pod serves at once')
      this.#run(ordinal, beginRecovery(pod.state, this.topologies[this.adopted - 1] as TopologyRecord));
  }

  #deliver(index: number, how: { readonly again?: boolean; readonly crash?: boolean } = {}): void {
    const packet = this.packets[index] as Packet;
    if (how.again !== true) this.packets.splice(index, 1);
    const { state } = this.pods[packet.to] as Pod;
    if (packet.message.kind === 'recover') {
      this.packets = this.packets.filter(
        ({ from, to, boot }) => from !== packet.from || to !== packet.to || boot >= packet.boot,
      );
    }
    if (!this.#pauseCopied(packet.to, packet.message)) return;
    const step = receive(state, packet.from, this.#asFaulty(packet), this.ownerOf);
    this.#run(packet.to, how.crash === true ? { ...step, sends: [] } : step, packet.rows);
    if (how.crash === true) this.#restart(packet.to);
    if (this.fault === 'active before the old owner has given the guild away' && packet.message.kind === 'offer') {
      const { epoch } = packet.message;
      const arrived = packet.message.guilds.filter((guild) => state.records.get(guild)?.state === 'arriving');
      applyWrites(
        state,
        arrived.map((guild) => ({ kind: 'record', guild, record: { state: 'here', epoch } })),
      );
    }
  }

  #asFaulty({ to, message }: Packet): Message {
    if (this.fault !== 'attempts are not told apart') return message;
    const { parcels, records } = this.#state(to);
    if (message.kind === 'stored') {
      const live = [...parcels.values()].find(({ guilds }) => guilds.some((guild) => message.guilds.includes(guild)));
      return live === undefined ? message : { ...message, attempt: live.attempt };
    }
    if (message.kind !== 'given') return message;
    const record = records.get(message.guilds[0] as string);
    return record?.state === 'arriving' ? { ...message, attempt: record.attempt } : message;
  }

  #run(ordinal: number, { writes, sends }: Step, offered: ReadonlyMap<string, Rows> = NO_ROWS): void {
    const pod = this.pods[ordinal] as Pod;
    for (const write of writes) {
      if (write.kind === 'record' && write.record.state === 'arriving')
        pod.rows.set(write.guild, offered.get(write.guild) ?? []);
      if (
        write.kind === 'record' &&
        write.record.state === 'moved' &&
        write.record.attempt[0] > 0 &&
        pod.state.records.get(write.guild)?.state !== 'moved'
      ) {
        pod.copies.set(`${write.guild} ${write.record.epoch}`, pod.rows.get(write.guild) ?? []);
        pod.rows.delete(write.guild);
      }
    }
    applyWrites(pod.state, writes);
    for (const { to, message } of sends) {
      // A copy that has expired cannot be offered again.
      const gone =
        message.kind === 'offer' && message.again
          ? message.guilds.filter((guild) => !pod.copies.has(`${guild} ${message.epoch}`))
          : [];
      if (gone.length > 0)
        this.#send(ordinal, to, { kind: 'gone', epoch: message.kind === 'offer' ? message.epoch : 0, guilds: gone });
      const left = message.kind === 'offer' ? message.guilds.filter((guild) => !gone.includes(guild)) : [];
      if (message.kind !== 'offer') this.#send(ordinal, to, message);
      else if (left.length > 0) this.#send(ordinal, to, { ...message, guilds: left });
    }
  }

  #send(from: number, to: number, message: Message): void {
    const { rows, copies, state } = this.pods[from] as Pod;
    let carried = NO_ROWS;
    if (message.kind === 'offer') {
      carried = new Map(
        message.guilds.map((guild) => [
          guild,
          (state.records.get(guild)?.state === 'moved' ? copies.get(`${guild} ${message.epoch}`) : rows.get(guild)) ??
            [],
        ]),
      );
    }
    const packet = { from, to, message, boot: (this.pods[from] as Pod).boot, rows: carried };
    const text = JSON.stringify([from, to, message]);
    if (message.kind === 'news')
      this.packets = this.packets.filter(
        (other) => other.message.kind !== 'news' || other.from !== from || other.to !== to,
      );
    else if (
      this.packets.some(
        (other) => JSON.stringify([other.from, other.to, other.message]) === text && sameRows(other.rows, carried),
      )
    )
      return;
    if (this.packets.length >= MAX_PACKETS) this.packets.shift();
    this.packets.push(packet);
  }
}

function sameRows(a: ReadonlyMap<string, Rows>, b: ReadonlyMap<string, Rows>): boolean {
  return a.size === b.size && [...a].every(([guild, rows]) => b.get(guild)?.join() === rows.join());
}

function copyOf({ state, incarnation, rows, copies }: Disk): Disk {
  return {
    incarnation,
    rows: new Map(rows),
    copies: new Map(copies),
    state: {
      ...state,
      records: new Map(state.records),
      done: new Map(state.done),
      parcels: new Map(state.parcels),
      leaving: new Set(state.leaving),
      recovering: new Set(state.recovering),
    },
  };
}
