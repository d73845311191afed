import type { Profile } from '../profile.js'
import { StarIcon } from './icons.js'

const SHOWN = 2

/** The newest achievements, on one line. */
export function Achievements({ achievements }: Pick<Profile, 'achievements'>) {
  if (achievements.length === 0) return <p className="achievements muted">No achievements yet</p>
  const more = achievements.length - SHOWN
  return (
    <ul className="achievements" aria-label="Achievements">
      {achievements
        .slice(-SHOWN)
        .reverse()
        .map(({ achievementId, title, description }) => (
          <li key={achievementId} className="chip" title={description}>
            <StarIcon />
            <span>{title}</span>
          </li>
        ))}
      {more > 0 && <li className="more">+{more}</li>}
    </ul>
  )
}
