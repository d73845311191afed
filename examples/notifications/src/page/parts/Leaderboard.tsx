import { toCount } from '../format.js'
import type { Profile } from '../profile.js'

interface LeaderboardProps {
  readonly entries: Profile['leaderboard'] | undefined
  readonly userId: string
}

export function Leaderboard({ entries = [], userId }: LeaderboardProps) {
  return (
    <div className="part leaderboard">
      <div className="part-top">
        <h3>Leaderboard</h3>
      </div>
      <ol>
        {entries.map((entry) => (
          <li key={entry.userId} data-own={entry.userId === userId}>
            <span className="place">{entry.rank}</span>
            <span>
              {entry.name}
              {entry.userId === userId && <small> you</small>}
            </span>
            <span className="score">
              {toCount(entry.score)}
              <span className="hidden"> XP</span>
            </span>
          </li>
        ))}
      </ol>
    </div>
  )
}
