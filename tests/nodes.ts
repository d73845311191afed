import { expect } from 'vitest'
import { startExample } from './example.js'
import { SECRET, until } from './harness.js'

/** As nginx.conf of examples/redis-cluster has them. */
export const NODES = ['a', 'b', 'c'] as const
export type NodeName = (typeof NODES)[number]

/** A process of examples/redis-cluster. */
export interface Node {
  readonly name: NodeName
  readonly address: string
  /** Sends a signal, and waits for the end. @returns the exit code. */
  end(signal: NodeJS.Signals): Promise<number | null>
}

/** What a node knows of a user. */
export interface View {
  readonly online: boolean
  /** How many there are, on all nodes. */
  readonly devices: number
  /** How many the node has itself. */
  readonly here: number
}

/** A node that serves, and is killed with the test. */
export async function startNode(name: NodeName, redisUrl: string): Promise<Node> {
  const running = startExample('redis-cluster', { NODE_NAME: name, REDIS_URL: redisUrl, JWT_SECRET: SECRET }, { file: 'node.ts' })
  const address = (): string | undefined => /listens on (\S+)\n/.exec(running.output)?.[1]
  await until(() => address() !== undefined || running.process.exitCode !== null)
  expect(address(), running.output).toBeDefined()
  return {
    name,
    address: address() ?? '',
    end: (signal) => {
      running.process.kill(signal)
      return running.exit
    },
  }
}

/** Has a node notify a user, as another service of the application would. */
export async function notify(address: string, userId: string, message: string): Promise<void> {
  const { status } = await fetch(`http://${address}/notify/${userId}`, { method: 'POST', body: message })
  expect(status).toBe(204)
}

export async function viewOf(address: string, userId: string): Promise<View> {
  return (await (await fetch(`http://${address}/users/${userId}`)).json()) as View
}

/** Whether a node takes new clients. */
export async function isReady(address: string): Promise<boolean> {
  return (await fetch(`http://${address}/ready`)).ok
}
