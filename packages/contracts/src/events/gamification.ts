import * as z from 'zod'
import { defineContract } from '../contract.js'

/** The schema of one line of a leaderboard. */
export const LeaderboardEntry = z
  .object({
    rank: z.int().min(1).describe('Position on the board, 1 is the first'),
    userId: z.string().describe('Id of the user'),
    name: z.string().describe('Name to show'),
    score: z.number().describe('Points, in XP'),
  })
  .describe('One line of the leaderboard')

/** Achievements, experience points, ranks and the leaderboard. */
export const gamification = defineContract({
  name: 'gamification',
  version: '1.0.0',
  serverToClient: {
    'achievement:unlocked': z
      .object({
        achievementId: z.string().describe('Id of the achievement, such as "ach-001"; a plain string, not a UUID'),
        title: z.string().describe('Name of the achievement'),
        description: z.string().optional().describe('What it was given for'),
        icon: z.string().optional().describe('Icon to show: a URL, or a name the application knows'),
      })
      .describe('The user has unlocked an achievement'),
    'rank:updated': z
      .object({
        newRank: z.string().describe('Name of the rank the user has now'),
        oldRank: z.string().describe('Name of the rank the user had before'),
        xpRequired: z.number().min(0).optional().describe('Points needed for the rank after this one, in XP'),
      })
      .describe('The rank of the user has changed'),
    'xp:gained': z
      .object({
        amount: z.number().describe('Points gained, in XP'),
        source: z.string().describe('What they were given for, in words of the application, such as "daily_mission"'),
        totalXp: z.number().min(0).describe('All points of the user after this gain, in XP'),
      })
      .describe('The user has gained experience points'),
    'leaderboard:updated': z
      .object({ leaderboard: z.array(LeaderboardEntry).describe('The lines of the board, best first') })
      .describe('The leaderboard has changed; sent to everybody'),
  },
})
