import type { Contract, Evolution } from '@org/realtime-contracts'
import { type CastProblem, type ContractLock, checkEvolution, compareContracts, contractsOf } from '@org/realtime-contracts/compat'
import { loadEvolutions } from './load.js'
import type { Settings } from './settings.js'

/** What is wrong with serving the released versions that are said to be supported: a line each. */
export async function findUnserved(settings: Settings, contract: Contract, history: readonly ContractLock[]): Promise<string[]> {
  const evolutions = settings.evolutions === undefined ? [] : await loadEvolutions(settings.root, settings.evolutions)
  const own = evolutions.filter(({ to }) => contractsOf(contract).some(({ fingerprint }) => fingerprint === to.fingerprint))
  return [
    ...evolutions.filter((evolution) => !own.includes(evolution)).map((evolution) => `${describe(evolution)} does not lead to the contract as it is now`),
    ...own.flatMap((evolution) => checkEvolution(evolution).map((problem) => `${describe(evolution)}: ${describeProblem(problem)}`)),
    ...(settings.supported === undefined ? [] : history.filter((lock) => !isServed(lock, contract, own)).map((lock) => describeUnserved(lock, settings))),
  ]
}

function isServed(lock: ContractLock, contract: Contract, evolutions: readonly Evolution[]): boolean {
  return [contract, ...evolutions.map(({ from }) => from)].some((served) => compareContracts(lock, served).verdict !== 'breaking')
}

function describe({ from, to }: Evolution): string {
  return `evolve ${from.name} ${from.version} to ${to.version}`
}

function describeProblem(found: CastProblem): string {
  const where = [found.event, found.path].filter((part) => part !== undefined && part !== '').join(' ')
  return `${where} ${found.problem}: ${found.message}${'value' in found ? `; it was given ${JSON.stringify(found.value)}` : ''}`
}

function describeUnserved({ version }: ContractLock, { supported, evolutions }: Settings): string {
  const how = evolutions === undefined ? 'name the file that exports what evolve returns as "realtime.evolutions"' : 'let an evolution lead from it'
  return `version ${version} is supported (from ${supported} on), and what has changed since breaks its clients: ${how}, or raise "realtime.supported"`
}
