import type { EnvironmentOptions } from '@org/realtime-server'
import { SignJWT } from 'jose'

/** A token as the application's login would issue it. */
export function signToken(userId: string, { secret, issuer, audience }: EnvironmentOptions['jwt'], lifetime = '12h'): Promise<string> {
  const token = new SignJWT({ email: `${userId}@example.com` })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(userId)
    .setIssuedAt()
    .setExpirationTime(lifetime)
  if (issuer !== false) token.setIssuer(issuer)
  if (audience !== false) token.setAudience(audience)
  return token.sign(new TextEncoder().encode(secret))
}
