import type { Namespace } from 'socket.io'
import { type BroadcastOptions, ClusterAdapter, type ClusterMessage, type ClusterResponse, MessageType, type Room, type SocketId } from 'socket.io-adapter'
import type { Audience, ClusterContext, Perform } from '../cluster.js'
import { sendLocally, toEncoded } from '../local.js'
import type { RedisBus } from './bus.js'
import { areOf, decodeEvents, Forwarding, holdsEvents, nameOf } from './events.js'
import { type Channels, decode, encode, hasChannel, toPublications } from './message.js'
import { Questions } from './questions.js'

/**
 * Socket.IO's cluster adapter over sharded pub/sub, with a channel for each room: a node hears only what is for rooms it has.
 * It differs from the sharded adapter of Socket.IO in that joining waits for the subscription, several rooms are several
 * publications, moving and disconnecting are addressed as events are, and local sockets never wait for Redis.
 */
export class RedisAdapter extends ClusterAdapter {
  readonly #questions: Questions
  readonly #forwarding: Forwarding
  #perform: Perform = async () => {}

  constructor(
    namespace: Namespace,
    private readonly bus: RedisBus,
    private readonly channels: Channels,
    private readonly written: ClusterContext['written'],
    /** Takes messages that it knows. */
    private readonly take: (message: unknown) => boolean,
  ) {
    super(namespace)
    this.#questions = new Questions(bus, channels, this.uid)
    this.#forwarding = new Forwarding(bus, channels, this.uid)
    own(this.bus.subscribe(channels.all, (raw) => this.#hear(raw)))
    own(
      this.bus.subscribe(channels.ofNode(this.uid), (raw) => {
        const response = decode(raw)
        if (!this.#questions.receive(response, this.#perform)) this.onResponse(response as ClusterResponse) // only nodes publish here
      }),
    )
    this.on('delete-room', (room: Room) => {
      if (hasChannel(room)) void this.bus.unsubscribe(channels.ofRoom(room))
    })
  }

  /** Has the other nodes that hear of the audience do something. @throws RealtimeError `UNAVAILABLE` */
  ask(audience: Audience, task: unknown, timeoutMs: number, tell: (answer: unknown) => void): Promise<void> {
    this.#forwarding.flush()
    return this.#questions.ask(audience, task, timeoutMs, tell)
  }

  /** Sends an event to those of the audience that other nodes have. */
  forward(audience: Audience, json: string, isVolatile: boolean, trace?: string): void {
    this.#forwarding.forward(audience, json, isVolatile, trace)
  }

  /** Does what other nodes ask for. */
  answer(perform: Perform): void {
    this.#perform = perform
  }

  /** Resolves when this node hears of the room; rejects where Redis cannot do that now, and then hears of it once Redis is back. */
  override addAll(id: SocketId, rooms: Set<Room>): Promise<void> | void {
    super.addAll(id, rooms)
    const subscriptions = [...rooms].filter(hasChannel).flatMap((room) => this.#listen(room) ?? [])
    if (subscriptions.length > 0) {
      return own(Promise.all(subscriptions).then(() => {}))
    }
  }

  override async broadcast(packet: unknown, options: BroadcastOptions): Promise<void> {
    if (!isLocal(options)) this.publish({ type: MessageType.BROADCAST, data: { packet, opts: toWire(options) } })
    return super.broadcast(packet, toLocal(options))
  }

  override async addSockets(options: BroadcastOptions, rooms: Room[]): Promise<void> {
    if (!isLocal(options)) this.publish({ type: MessageType.SOCKETS_JOIN, data: { opts: toWire(options), rooms } })
    return super.addSockets(toLocal(options), rooms)
  }

  override async delSockets(options: BroadcastOptions, rooms: Room[]): Promise<void> {
    if (!isLocal(options)) this.publish({ type: MessageType.SOCKETS_LEAVE, data: { opts: toWire(options), rooms } })
    return super.delSockets(toLocal(options), rooms)
  }

  override async disconnectSockets(options: BroadcastOptions, close: boolean): Promise<void> {
    if (!isLocal(options)) this.publish({ type: MessageType.DISCONNECT_SOCKETS, data: { opts: toWire(options), close } })
    return super.disconnectSockets(toLocal(options), close)
  }

  /** The nodes that are there; this one alone where Redis cannot say, as Socket.IO does not expect that to fail. */
  override async serverCount(): Promise<number> {
    return (await this.bus.countListeners(this.channels.all)) ?? 1
  }

  override async close(): Promise<void> {
    this.#forwarding.flush()
    const rooms = [...this.rooms.keys()].filter(hasChannel).map((room) => this.channels.ofRoom(room))
    await Promise.all([this.channels.all, this.channels.ofNode(this.uid), ...rooms].map((channel) => this.bus.unsubscribe(channel)))
  }

  protected override async doPublish(message: ClusterMessage): Promise<string> {
    this.#forwarding.flush()
    const publications = toPublications(message, this.channels)
    await Promise.all(publications.map((publication) => this.bus.publish(publication.channel, encode(publication.message))))
    return '' // an offset, which only the recovery of connections would use
  }

  protected override async doPublishResponse(requesterUid: string, response: ClusterResponse): Promise<void> {
    await this.bus.publish(this.channels.ofNode(requesterUid), encode(response))
  }

  #listen(room: Room): Promise<void> | undefined {
    return this.bus.subscribe(this.channels.ofRoom(room), (raw) => this.#hear(raw))
  }

  #hear(raw: Buffer): void {
    if (holdsEvents(raw)) {
      if (!areOf(this.uid, raw)) this.#write(raw)
      return
    }
    const message = decode(raw)
    if (this.take(message) || this.#questions.receive(message, this.#perform)) return
    this.onMessage(message as ClusterMessage) // only nodes publish here
  }

  #write(raw: Buffer): void {
    const { rooms, events } = decodeEvents(raw)
    for (const event of events) {
      const { json, except, isVolatile, trace } = event
      const recipients = sendLocally(this.nsp, { rooms, except }, toEncoded(this.nsp.name, json), isVolatile)
      this.written?.(nameOf(event), recipients, json.length, trace)
    }
  }
}

function isLocal({ flags }: BroadcastOptions): boolean {
  return flags?.local === true
}

function toLocal(options: BroadcastOptions): BroadcastOptions {
  return { ...options, flags: { ...options.flags, local: true } }
}

function toWire({ rooms, except = new Set(), flags = {} }: BroadcastOptions): { rooms: Room[]; except: Room[]; flags: typeof flags } {
  return { rooms: [...rooms], except: [...except], flags }
}

/** Socket.IO itself joins and forgets: a rejection must be nobody's, while who awaits it still gets it. */
function own<P extends Promise<unknown> | undefined>(promise: P): P {
  promise?.catch(() => {})
  return promise
}
