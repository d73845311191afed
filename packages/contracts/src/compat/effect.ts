/** How bad a change is for those who are deployed already. */
export type Verdict = 'safe' | 'risky' | 'breaking'

/** What a change does where the newer version is on one side. */
export interface Effect {
  /** How bad it is. */
  readonly verdict: Verdict
  /** Where it is another. */
  readonly unless?: string
}

/** One way in which a contract can change. */
export interface Rule {
  /** What it is about, in a few words. */
  readonly title: string
  /** What happens to whom. */
  readonly why: string
  /** Where the newer version sends: what the server emits and answers. */
  readonly sends: Effect
  /** Where the newer version receives: what clients emit and answer. */
  readonly receives: Effect
  /** How to make the change without breaking who is deployed. */
  readonly fix: string
}

export function effect(verdict: Verdict, unless?: string): Effect {
  return { verdict, ...(unless !== undefined && { unless }) }
}

export const SAFE = effect('safe')
export const RISKY = effect('risky')
export const BREAKING = effect('breaking')
