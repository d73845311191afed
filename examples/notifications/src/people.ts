/** Stands for the application's users. */
export const PEOPLE = [
  { userId: 'ada', name: 'Ada', xp: 1400 },
  { userId: 'grace', name: 'Grace', xp: 1200 },
  { userId: 'katherine', name: 'Katherine', xp: 1050 },
  { userId: 'alan', name: 'Alan', xp: 700 },
  { userId: 'margaret', name: 'Margaret', xp: 450 },
] as const

/** Who may join which group. */
export const GROUPS: ReadonlyMap<string, readonly string[]> = new Map([['mission-control', ['ada', 'grace', 'margaret']]])

export const RANKS = ['Bronze', 'Silver', 'Gold', 'Platinum'] as const
export type Rank = (typeof RANKS)[number]

/** Points from which on a rank is reached, in XP. */
export const XP_OF_RANK: Readonly<Record<Rank, number>> = { Bronze: 0, Silver: 1500, Gold: 3000, Platinum: 6000 }
