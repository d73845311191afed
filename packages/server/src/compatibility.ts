import type { Contract, ContractMismatch } from '@org/realtime-contracts'
import { type ContractLock, compareContracts, readLock } from '@org/realtime-contracts/compat'
import { type Handshake, RealtimeError } from '@org/realtime-contracts/wire'

/** What a client says of its contract. */
type ClientContract = NonNullable<Handshake['contract']>
type Version = Pick<Contract, 'name' | 'version'>

// For a client that is ahead: the nodes of a deployment change in minutes, not in seconds.
const TOO_NEW_RETRY_MS = 5_000

/** Whether clients of other versions of a contract can be talked to. */
export class Compatibility {
  readonly #contracts: ReadonlyMap<string, Contract>
  /** Whether clients of released contracts can be talked to, by fingerprint. */
  readonly #released: ReadonlyMap<string, boolean>

  /** @throws TypeError for what is no lock, or one of another contract. */
  constructor(
    private readonly contract: Contract,
    history: readonly unknown[],
  ) {
    this.#contracts = new Map(allOf(contract).map((part) => [part.name, part]))
    this.#released = new Map(history.map((lock, index) => this.#judge(lock, index)))
  }

  /**
   * By what has really changed, where the client's contract is one of the history; else by version: a client of the same major
   * version and no later minor one can be talked to.
   * A client that says nothing, such as a stock one, is let in.
   * @returns the version that the server has, where it is a newer one.
   * @throws RealtimeError `CONTRACT_MISMATCH`
   */
  check(client: ClientContract | undefined): string | undefined {
    if (client === undefined) return undefined
    const server = this.#contracts.get(client.name)
    if (server === undefined) throw mismatch('wrong_contract', client, this.contract)
    if (client.fingerprint === server.fingerprint) return undefined
    const [order, part] = compareVersions(client.version, server.version)
    const fits = this.#released.get(client.fingerprint)
    if (fits === false) throw mismatch(order > 0 ? 'too_new' : 'too_old', client, server)
    if (fits === true) return order < 0 ? server.version : undefined
    if (part <= MINOR && order > 0) throw mismatch('too_new', client, server)
    if (part === MAJOR && order < 0) throw mismatch('too_old', client, server)
    return order < 0 ? server.version : undefined
  }

  #judge(released: unknown, index: number): [fingerprint: string, fits: boolean] {
    const lock = readReleased(released, index)
    const server = this.#contracts.get(lock.name)
    if (server === undefined)
      throw new TypeError(`history[${index}] is a lock of ${JSON.stringify(lock.name)}, which is not the contract of this server, nor a part of it`)
    return [lock.fingerprint, compareContracts(lock, server).verdict !== 'breaking']
  }
}

function readReleased(released: unknown, index: number): ContractLock {
  try {
    return readLock(released)
  } catch (cause) {
    throw new TypeError(`history[${index}]: ${(cause as Error).message}`, { cause }) // readLock throws nothing else
  }
}

function allOf(contract: Contract): Contract[] {
  return [contract, ...contract.parts.flatMap(allOf)]
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
