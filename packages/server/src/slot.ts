/**
 * What the SDK keeps with an object of Socket.IO's. A WeakMap with an entry for each connection would cost the
 * garbage collector more than all else that is kept of it.
 */
export class Slot<T> {
  readonly #key = Symbol('realtime')

  get(owner: object): T | undefined {
    return Reflect.get(owner, this.#key) as T | undefined // nobody else has the key
  }

  set(owner: object, value: T | undefined): void {
    Reflect.set(owner, this.#key, value)
  }
}
