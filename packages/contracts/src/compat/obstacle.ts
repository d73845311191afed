import type { RuleId } from './rules.js'

/** Which way a value goes, and which of the two versions is the newer. */
export interface Flow {
  readonly sender: 'server' | 'client'
  readonly newer: 'sender' | 'receiver'
}

/** What stands between what is sent and what is accepted. */
export interface Obstacle {
  readonly rule: RuleId
  readonly path: string
  /**
   * - `note`: a difference that hurts nobody.
   * - `loss`: accepted, and dropped or reinterpreted, or nobody can tell.
   * - `failure`: not accepted, unless no value is found that shows it.
   */
  readonly severity: 'note' | 'loss' | 'failure'
  /** What exactly differs, the same words for the same difference. */
  readonly detail: string
  /** Values of the whole that may show it, for a `variant` that says what else they hold. */
  readonly witnesses: (variant: number) => readonly unknown[]
  /** Whether nothing that cannot be looked into limits which values are sent there, or all of them fail. */
  readonly isCertain: boolean
  /** Whether a `catch` puts another value in its place. */
  readonly isReplaced?: true
}

/** Where in the whole value a comparison is, and how to make a whole value around one at this place. */
export class Place {
  private constructor(
    readonly path: string,
    readonly wrap: (value: unknown, variant: number) => unknown,
  ) {}

  static root(path: string): Place {
    return new Place(path, (value) => value)
  }

  /** A place within, where `wrap` makes what is at this place around a value there. */
  within(path: string, wrap: (value: unknown, variant: number) => unknown): Place {
    return new Place(this.path + path, (value, variant) => {
      const own = wrap(value, variant)
      return own === undefined ? undefined : this.wrap(own, variant)
    })
  }

  /** Whole values, of ones at this place. */
  wrapAll(values: readonly unknown[], variant: number): readonly unknown[] {
    return values.map((value) => this.wrap(value, variant)).filter((value) => value !== undefined)
  }
}

const PLAIN_KEY = /^[A-Za-z_$][\w$]*$/

export function toStep(key: string): string {
  return PLAIN_KEY.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`
}

const SEVERITIES = ['note', 'loss', 'failure'] as const

/** How bad the worst of them is; -1 where there is none. */
export function severityOf(obstacles: readonly Obstacle[]): number {
  return Math.max(-1, ...obstacles.map(({ severity }) => SEVERITIES.indexOf(severity)))
}

export const LOSS = SEVERITIES.indexOf('loss')
