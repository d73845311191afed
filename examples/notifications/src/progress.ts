import type { LeaderboardEntry } from '@org/realtime-contracts/events'
import type * as z from 'zod'
import type { Achievement } from './contract.js'
import { PEOPLE, RANKS, type Rank, XP_OF_RANK } from './people.js'

export interface Standing {
  readonly name: string
  readonly totalXp: number
  readonly rank: Rank
  readonly achievements: ReadonlyArray<z.infer<typeof Achievement>>
}

/** Points, ranks and achievements of every user. Stands for a table of the application's database. */
export class Progress {
  readonly #byUser = new Map<string, Standing>(PEOPLE.map(({ userId, name, xp }) => [userId, { name, totalXp: xp, rank: rankAt(xp), achievements: [] }]))

  has(userId: string): boolean {
    return this.#byUser.has(userId)
  }

  of(userId: string): Standing {
    const standing = this.#byUser.get(userId)
    if (standing === undefined) throw new RangeError(`There is no user ${JSON.stringify(userId)}`)
    return standing
  }

  /** @returns all points of the user after this gain. */
  addXp(userId: string, amount: number): number {
    const { totalXp } = this.of(userId)
    this.#set(userId, { totalXp: totalXp + amount })
    return totalXp + amount
  }

  setRank(userId: string, rank: Rank): void {
    this.#set(userId, { rank })
  }

  /** An achievement is unlocked once: the same again replaces what it says. */
  unlock(userId: string, achievement: z.infer<typeof Achievement>): void {
    const others = this.of(userId).achievements.filter(({ achievementId }) => achievementId !== achievement.achievementId)
    this.#set(userId, { achievements: [...others, achievement] })
  }

  leaderboard(): Array<z.infer<typeof LeaderboardEntry>> {
    const best = [...this.#byUser].sort(([, a], [, b]) => b.totalXp - a.totalXp)
    return best.map(([userId, { name, totalXp }], index) => ({ rank: index + 1, userId, name, score: totalXp }))
  }

  #set(userId: string, change: Partial<Standing>): void {
    this.#byUser.set(userId, { ...this.of(userId), ...change })
  }
}

export function rankAt(xp: number): Rank {
  return RANKS.findLast((rank) => XP_OF_RANK[rank] <= xp) ?? RANKS[0]
}

/** Points needed for the rank after this one; nothing after the last. */
export function xpAfter(rank: Rank): { xpRequired?: number } {
  const next = RANKS[RANKS.indexOf(rank) + 1]
  return next === undefined ? {} : { xpRequired: XP_OF_RANK[next] }
}
