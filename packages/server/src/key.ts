import { createPublicKey, createSecretKey, type JsonWebKey, KeyObject } from 'node:crypto'
import { isObject } from '@org/realtime-contracts/wire'

const FAMILIES: Readonly<Record<string, readonly string[]>> = {
  RSA: ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ECDSA: ['ES256', 'ES384', 'ES512'],
  EdDSA: ['EdDSA', 'Ed25519'],
}
const KEY_TYPES: Readonly<Record<string, readonly string[]>> = { RSA: ['rsa'], ECDSA: ['ec'], EdDSA: ['ed25519'] }
const CURVES: Readonly<Record<string, string>> = { ES256: 'prime256v1', ES384: 'secp384r1', ES512: 'secp521r1' } // RFC 7518, 3.4

const MIN_SECRET_BYTES = 32 // RFC 7518, 3.2: a key as long as the hash
const MIN_RSA_BITS = 2048 // RFC 7518, 3.3

/** @throws TypeError unless the list is there and of one family: a list that mixes them lets a public key pass as a secret. */
export function checkAlgorithms(algorithms: readonly string[] | undefined): string[] {
  if (!Array.isArray(algorithms) || algorithms.length === 0) {
    throw new TypeError("jwt: a public key or key set needs the algorithms to accept, such as algorithms: ['RS256']")
  }
  const families = new Set(algorithms.map(familyOf))
  if (families.size > 1) {
    throw new TypeError(`jwt: algorithms must be of one family, got ${algorithms.join(', ')}. Keep those that your issuer signs with`)
  }
  return [...algorithms]
}

function familyOf(algorithm: unknown): string {
  const family = Object.keys(FAMILIES).find((name) => FAMILIES[name]!.includes(String(algorithm)))
  if (family === undefined) {
    throw new TypeError(
      `jwt: ${JSON.stringify(algorithm)} is not an algorithm for a public key; use one of ${Object.values(FAMILIES).flat().join(', ')}. For HS256 give secret instead`,
    )
  }
  return family
}

/** @throws TypeError where it is missing, short, weak, or a key of another kind, which anybody may know. */
export function toSecretKey(secret: string | Uint8Array | undefined): KeyObject {
  if (secret === undefined || secret === '') {
    throw new TypeError('jwt: secret is not set (is JWT_SECRET in the environment?). Make one with: openssl rand -base64 48')
  }
  if (typeof secret !== 'string' && !(secret instanceof Uint8Array)) {
    throw new TypeError('jwt: secret must be a string or bytes; for a public key give publicKey and algorithms')
  }
  const bytes = Buffer.from(secret)
  if (isKeyMaterial(bytes)) {
    throw new TypeError('jwt: secret is a PEM, JWK or DER key. Give it as publicKey, with algorithms; as a secret, whoever knows the public key could sign')
  }
  if (bytes.length < MIN_SECRET_BYTES) {
    throw new TypeError(
      `jwt: secret has ${bytes.length * 8} bits and needs ${MIN_SECRET_BYTES * 8} (${MIN_SECRET_BYTES} bytes). Make one with: openssl rand -base64 48`,
    )
  }
  if (isWeak(bytes.toString('latin1'))) {
    throw new TypeError('jwt: secret is easily guessed. Make one with: openssl rand -base64 48')
  }
  return createSecretKey(bytes)
}

/** Also where the key is wrapped once more, as PEMs are to travel in an environment variable. */
function isKeyMaterial(bytes: Buffer): boolean {
  const text = bytes.toString('latin1').replaceAll('\0', '').trim()
  return isKeyText(text) || isDer(bytes) || (/^[A-Za-z0-9+/_=\s-]+$/.test(text) && isWrappedKey(Buffer.from(text, 'base64')))
}

function isWrappedKey(bytes: Buffer): boolean {
  return isDer(bytes) || isKeyText(bytes.toString('latin1').trim())
}

function isKeyText(text: string): boolean {
  return /-----BEGIN [A-Z0-9 ]+-----/.test(text) || /^(ssh|ecdsa)-\S+ AAAA/.test(text) || isJwk(text)
}

function isJwk(text: string): boolean {
  if (!text.startsWith('{')) {
    return false
  }
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) && ('kty' in value || 'keys' in value)
  } catch {
    return false
  }
}

/** Whether the bytes are one ASN.1 SEQUENCE from end to end, as every DER key is. */
function isDer(bytes: Buffer): boolean {
  const first = bytes[1]
  if (bytes[0] !== 0x30 || first === undefined) {
    return false
  }
  if (first < 0x80) {
    return bytes.length === 2 + first
  }
  const lengthBytes = first & 0x7f
  if (lengthBytes < 1 || lengthBytes > 4 || bytes.length < 2 + lengthBytes) {
    return false
  }
  return bytes.length === 2 + lengthBytes + bytes.readUIntBE(2, lengthBytes)
}

const WEAK_PARTS = ['change-me', 'changeme', 'change_me', 'replace-me', 'replaceme', 'password']
const PUBLISHED_SECRETS = [
  'your-256-bit-secret',
  'a-string-secret-at-least-256-bits-long',
  'your-secret-key',
  'change-me',
  'changeme',
  'supersecret',
  'super-secret',
  'mysecret',
]
const MIN_DISTINCT_CHARACTERS = 5
const MAX_REPEATED_UNIT = 8

function isWeak(secret: string): boolean {
  return (
    new Set(secret).size < MIN_DISTINCT_CHARACTERS ||
    isRepetition(secret) ||
    isSequence(secret) ||
    PUBLISHED_SECRETS.some((known) => secret.toLowerCase().startsWith(known)) ||
    WEAK_PARTS.some((part) => secret.toLowerCase().includes(part)) ||
    isMostlyOne(secret)
  )
}

/** One character for more than half of it. */
function isMostlyOne(secret: string): boolean {
  return [...new Set(secret)].some((character) => secret.split(character).length - 1 > secret.length / 2)
}

/** One short text again and again, such as `secretsecretsecret`. */
function isRepetition(secret: string): boolean {
  return Array.from({ length: MAX_REPEATED_UNIT }, (_, index) => index + 1).some(
    (length) =>
      secret ===
      secret
        .slice(0, length)
        .repeat(Math.ceil(secret.length / length))
        .slice(0, secret.length),
  )
}

/** Characters that only count up or down, such as `0123456789…` or `abcdefgh…`, which may start again. */
function isSequence(secret: string): boolean {
  const steps = Array.from(secret.slice(1), (character, index) => character.charCodeAt(0) - secret.charCodeAt(index))
  const common = [1, -1].map((step) => steps.filter((other) => other === step).length)
  return Math.max(...common) >= steps.length * 0.85
}

/** @throws TypeError where it is no public key, too short, or does not fit the algorithms. */
export function toPublicKey(key: string | KeyObject | Readonly<Record<string, unknown>> | undefined, algorithms: readonly string[]): KeyObject {
  const publicKey = importPublicKey(key)
  const family = familyOf(algorithms[0])
  if (!KEY_TYPES[family]!.includes(publicKey.asymmetricKeyType ?? '')) {
    throw new TypeError(`jwt: publicKey is a key for ${publicKey.asymmetricKeyType}, which ${algorithms.join(', ')} cannot use`)
  }
  const curve = publicKey.asymmetricKeyDetails?.namedCurve
  const unusable = algorithms.find((algorithm) => curve !== undefined && CURVES[algorithm] !== curve)
  if (unusable !== undefined) {
    throw new TypeError(`jwt: publicKey is on the curve ${curve}, which ${unusable} cannot use`)
  }
  const bits = publicKey.asymmetricKeyDetails?.modulusLength
  if (bits !== undefined && bits < MIN_RSA_BITS) {
    throw new TypeError(`jwt: publicKey has ${bits} bits and needs ${MIN_RSA_BITS}`)
  }
  return publicKey
}

function importPublicKey(key: string | KeyObject | Readonly<Record<string, unknown>> | undefined): KeyObject {
  if (key instanceof KeyObject) {
    return assertPublic(key)
  }
  if (typeof key === 'string' && key.includes('PRIVATE KEY')) {
    throw new TypeError('jwt: publicKey is a private key. A server that only checks tokens must not have it; give the public one')
  }
  if (isObject(key) && 'd' in key) {
    throw new TypeError('jwt: publicKey is a private JWK. A server that only checks tokens must not have it; give the public one')
  }
  try {
    // An object that is neither a KeyObject nor a JWK is refused by Node itself.
    return assertPublic(typeof key === 'string' ? createPublicKey(key) : createPublicKey({ key: key as JsonWebKey, format: 'jwk' }))
  } catch (cause) {
    throw new TypeError('jwt: publicKey must be a PEM text, a JWK object or a KeyObject of a public key', { cause })
  }
}

function assertPublic(key: KeyObject): KeyObject {
  if (key.type !== 'public') {
    throw new TypeError(`jwt: publicKey is a ${key.type} key; give the public one`)
  }
  return key
}

const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]'])

/** @throws TypeError where the keys could be changed on their way. */
export function toKeySetUrl(url: string | URL | undefined): URL {
  const parsed = url instanceof URL ? url : typeof url === 'string' ? tryParse(url) : null
  if (parsed === null) {
    throw new TypeError('jwt: jwks must be the URL of a key set, such as https://id.example.com/.well-known/jwks.json')
  }
  if (parsed.protocol !== 'https:' && !(parsed.protocol === 'http:' && LOOPBACK.has(parsed.hostname))) {
    throw new TypeError('jwt: jwks must be an https URL; over plain http anybody on the way can put in a key of theirs')
  }
  return parsed
}

function tryParse(url: string): URL | null {
  try {
    return new URL(url)
  } catch {
    return null
  }
}
