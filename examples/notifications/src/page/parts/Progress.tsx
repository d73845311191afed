import { useLatest } from '../devices.js'
import { toCount } from '../format.js'
import type { Profile } from '../profile.js'
import { Achievements } from './Achievements.js'

/** Rank, points on the way to the next one, and achievements. */
export function Progress({ profile }: { readonly profile: Profile | undefined }) {
  const gained = useLatest('xp:gained')
  const { totalXp = 0, rank = '…', xpRequired = Math.max(totalXp, 1) } = profile ?? {}
  return (
    <div className="part progress">
      <div className="part-top">
        <h3>Progress</h3>
        <span className="rank" data-rank={rank}>
          {rank}
        </span>
      </div>
      <progress aria-label="XP on the way to the next rank" value={Math.min(totalXp, xpRequired)} max={xpRequired} />
      <p className="xp">
        <span>
          <strong>{toCount(totalXp)}</strong> XP{profile?.xpRequired !== undefined && ` of ${toCount(profile.xpRequired)}`}
        </span>
        <span className="muted">{gained ? `+${toCount(gained.amount)} for ${gained.source}` : 'Nothing gained yet'}</span>
      </p>
      <Achievements achievements={profile?.achievements ?? []} />
    </div>
  )
}
