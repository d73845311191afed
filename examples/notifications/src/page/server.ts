import type { contract } from '../contract.js'
import type { PageFacts } from '../page.js'

declare const SERVER: PageFacts<typeof contract> // defined by the build

/** Where the server is, and what its contract is called: no zod comes with that. */
export const { path, manifest } = SERVER

interface Login {
  readonly token: string
  readonly expiresAtMs: number
}

/** A token as the application's login gives it. */
export async function logIn(userId: string, lifetimeS?: number): Promise<Login> {
  const response = await fetch('/api/login', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ userId, lifetimeS }),
  })
  if (!response.ok) throw new Error(`The login failed with ${response.status}`)
  return response.json() as Promise<Login>
}
