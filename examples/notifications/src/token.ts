import type { EnvironmentOptions } from '@org/realtime-server'
import { SignJWT } from 'jose'

const TWELVE_HOURS_S = 12 * 60 * 60

/** A token as the application's login would issue it. */
export function signToken(userId: string, { secret, issuer, audience }: EnvironmentOptions['jwt'], lifetimeS = TWELVE_HOURS_S): Promise<string> {
  const token = new SignJWT({ email: `${userId}@example.com` })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(userId)
    .setIssuedAt()
    .setExpirationTime(`${lifetimeS}s`)
  if (issuer !== false) token.setIssuer(issuer)
  if (audience !== false) token.setAudience(audience)
  return token.sign(new TextEncoder().encode(secret))
}
