/** A request that the rest of the company would make. */
export interface Operation {
  readonly label: string
  readonly method: 'POST' | 'PUT' | 'DELETE'
  readonly path: string
  readonly body?: unknown
}

export const OPERATIONS: readonly [Operation, ...Operation[]] = [
  { label: 'Notify Ada', method: 'POST', path: '/api/users/ada/notifications', body: { title: 'Build finished', message: 'All 412 checks are green' } },
  { label: 'Notify Grace', method: 'POST', path: '/api/users/grace/notifications', body: { title: 'Review', message: 'Ada asks for your review' } },
  {
    label: 'Notify Katherine',
    method: 'POST',
    path: '/api/users/katherine/notifications',
    body: { title: 'Welcome back', message: 'A mission waits for you' },
  },
  { label: '500 XP', method: 'POST', path: '/api/users/ada/xp', body: { amount: 500, source: 'weekly_mission' } },
  {
    label: 'Achievement',
    method: 'POST',
    path: '/api/users/ada/achievements',
    body: { achievementId: 'ach-002', title: 'Night owl', description: 'Still here' },
  },
  { label: 'Gold rank', method: 'PUT', path: '/api/users/ada/rank', body: { rank: 'Gold' } },
  { label: 'Leaderboard', method: 'POST', path: '/api/leaderboard' },
  { label: 'Ask to confirm', method: 'POST', path: '/api/users/ada/confirm', body: { question: 'Sign in on a new device?' } },
  { label: 'Read n-1', method: 'POST', path: '/api/users/ada/notifications/n-1/read' },
  { label: 'Delete n-1', method: 'DELETE', path: '/api/users/ada/notifications/n-1' },
  { label: 'Wrong input', method: 'POST', path: '/api/users/ada/xp', body: { amount: -5 } },
]

/** The same, for a terminal. */
export function toCurl({ method, path, body }: Operation, origin: string): string {
  const head = `curl -X ${method} ${origin}${path}`
  return body === undefined ? head : `${head} \\\n  -H 'content-type: application/json' \\\n  -d '${JSON.stringify(body)}'`
}

/** @returns the answer, as curl would print it with its status. */
export async function perform({ method, path, body }: Operation, origin: string): Promise<string> {
  const response = await fetch(`${origin}${path}`, {
    method,
    ...(body !== undefined && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  })
  return `${response.status} ${JSON.stringify(await response.json(), null, 1).replace(/\n\s*/g, ' ')}`
}
