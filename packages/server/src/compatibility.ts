import type { Contract, ContractMismatch, Evolution } from '@org/realtime-contracts'
import { type ContractLock, compareContracts, contractsOf, readLock } from '@org/realtime-contracts/compat'
import { type Handshake, RealtimeError } from '@org/realtime-contracts/wire'
import type { Report } from './context.js'
import { OlderVersion } from './older.js'

/** What a client says of its contract. */
type ClientContract = NonNullable<Handshake['contract']>
type Version = Pick<Contract, 'name' | 'version'>

// For a client that is ahead: the nodes of a deployment change in minutes, not in seconds.
const TOO_NEW_RETRY_MS = 5_000

/** What a client that can be talked to is told, and by which version it is talked to. */
export interface Compatible {
  /** The server's version, where the client has an older one. */
  readonly newerVersion?: string
  /** What is cast for it. */
  readonly older?: OlderVersion
}

const SAME: Compatible = {}

/** A version of a contract that clients are talked to by. */
interface Served {
  /** The contract, and those that it was merged of, by name. */
  readonly contracts: ReadonlyMap<string, Contract>
  /** Whether clients of released contracts can be talked to, by fingerprint. */
  readonly released: ReadonlyMap<string, boolean>
  readonly older?: OlderVersion
}

/** Whether clients of other versions of a contract can be talked to. */
export class Compatibility {
  readonly #current: Served
  readonly #older: readonly Served[]

  /** @throws TypeError for what is no lock, or one of another contract, and for an evolution to another contract. */
  constructor(
    private readonly contract: Contract,
    history: readonly unknown[],
    evolutions: readonly Evolution[],
    report: Report,
  ) {
    const locks = history.map(readReleased)
    const contracts = new Map(contractsOf(contract).map((part) => [part.name, part]))
    const stranger = locks.findIndex(({ name }) => !contracts.has(name))
    if (stranger >= 0) {
      throw new TypeError(
        `history[${stranger}] is a lock of ${JSON.stringify(locks[stranger]?.name)}, which is not the contract of this server, nor a part of it`,
      )
    }
    this.#current = toServed(contracts, locks)
    this.#older = evolutions.map((evolution, index) => {
      checkEvolution(evolution, index, contracts)
      const from = new Map([[evolution.from.name, evolution.from]])
      return { ...toServed(from, locks), older: new OlderVersion(evolution, report) }
    })
  }

  /**
   * By what has really changed, where the client's contract is one of the history; else by version: a client of the same major
   * version and no later minor one can be talked to. So it is with the versions that there are evolutions from.
   * A client that says nothing, such as a stock one, is let in.
   * @throws RealtimeError `CONTRACT_MISMATCH`
   */
  check(client: ClientContract | undefined): Compatible {
    if (client === undefined) return SAME
    const server = this.#current.contracts.get(client.name)
    if (server === undefined) throw mismatch('wrong_contract', client, this.contract)
    const refused = judge(client, this.#current)
    if (refused === undefined)
      return compareVersions(client.version, server.version)[0] < 0 && !isSame(client, server) ? { newerVersion: server.version } : SAME
    const served = this.#older.find((each) => each.contracts.has(client.name) && judge(client, each) === undefined)
    if (served?.older === undefined) throw mismatch(refused, client, server)
    return { newerVersion: server.version, older: served.older }
  }
}

function isSame(client: ClientContract, { fingerprint }: Contract): boolean {
  return client.fingerprint === fingerprint
}

/** @returns why a client cannot be talked to by a version that has its contract's name. */
function judge(client: ClientContract, { contracts, released }: Served): 'too_old' | 'too_new' | undefined {
  const server = contracts.get(client.name) as Contract // the caller has looked
  if (isSame(client, server)) return undefined
  const [order, part] = compareVersions(client.version, server.version)
  const fits = released.get(client.fingerprint)
  if (fits !== undefined) return fits ? undefined : order > 0 ? 'too_new' : 'too_old'
  if (part <= MINOR && order > 0) return 'too_new'
  return part === MAJOR && order < 0 ? 'too_old' : undefined
}

function toServed(contracts: ReadonlyMap<string, Contract>, locks: readonly ContractLock[]): Served {
  const own = locks.flatMap((lock) => {
    const contract = contracts.get(lock.name)
    return contract === undefined ? [] : [[lock.fingerprint, compareContracts(lock, contract).verdict !== 'breaking'] as const]
  })
  return { contracts, released: new Map(own) }
}

function checkEvolution(evolution: Evolution, index: number, contracts: ReadonlyMap<string, Contract>): void {
  const { from, to } = evolution ?? {}
  if (from?.codec === undefined || to?.codec === undefined) throw new TypeError(`evolutions[${index}] must be what evolve(older, newer, casts) returns`)
  const own = contracts.get(to.name)
  if (own?.fingerprint !== to.fingerprint || from.name !== to.name) {
    throw new TypeError(
      `evolutions[${index}] is from ${from.name} ${from.version} to ${to.name} ${to.version}: it must lead to the contract of this server, or a part of it, from an older version of the same`,
    )
  }
}

function readReleased(released: unknown, index: number): ContractLock {
  try {
    return readLock(released)
  } catch (cause) {
    throw new TypeError(`history[${index}]: ${(cause as Error).message}`, { cause }) // readLock throws nothing else
  }
}

const MAJOR = 0
const MINOR = 1

/**
 * @returns the sign of the difference, and which part of the versions differs first: major, minor, patch.
 * Before 1.0.0 the minor version counts as major, as in Semantic Versioning.
 */
function compareVersions(left: string, right: string): [order: number, part: number] {
  const [lefts, rights] = [left, right].map(toParts)
  const part = lefts?.findIndex((number, index) => number !== rights?.[index]) ?? -1
  if (part < 0) return [0, Number.POSITIVE_INFINITY]
  const order = (lefts?.[part] ?? 0) - (rights?.[part] ?? 0)
  return [order, part === MINOR && lefts?.[MAJOR] === 0 ? MAJOR : part]
}

function toParts(version: string): number[] {
  return [...version.split(/[-+]/, 1).join().split('.').map(Number), 0, 0, 0].slice(0, 3).map((number) => (Number.isFinite(number) ? number : 0))
}

function mismatch(reason: ContractMismatch['reason'], client: Version, server: Version): RealtimeError<'CONTRACT_MISMATCH', ContractMismatch> {
  const message = {
    too_old: `The client is of version ${client.version} of the contract, which the server (${server.version}) no longer talks to: load a newer client`,
    too_new: `The client is of version ${client.version} of the contract, and the server still of ${server.version}: it is tried again`,
    wrong_contract: `The client is of the contract ${JSON.stringify(client.name)}, and the server of ${JSON.stringify(server.name)}`,
  }[reason]
  return new RealtimeError('CONTRACT_MISMATCH', message, {
    data: {
      reason,
      client: { name: client.name, version: client.version },
      server: { name: server.name, version: server.version },
      ...(reason === 'too_new' && { retryAfterMs: TOO_NEW_RETRY_MS }),
    },
  })
}
