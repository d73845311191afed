import { afterEach, describe, expect, test, vi } from 'vitest'
import { toPlace } from './socket.js'

afterEach(() => vi.unstubAllGlobals())

describe('a URL says as to Socket.IO where the server is', () => {
  test.each([
    ['https://a.example', 'https://a.example', '', ''],
    ['http://a.example:3000/', 'http://a.example:3000', '', ''],
    ['wss://a.example/chat', 'wss://a.example', '', '/chat,'],
    ['https://a.example/chat?tenant=7', 'https://a.example', '?tenant=7', '/chat,'],
    ['http://[::1]:3000', 'http://[::1]:3000', '', ''],
    ['a.example', 'https://a.example', '', ''],
    ['localhost:3000', 'https://localhost:3000', '', ''],
  ])('%s', (url, server, query, namespace) => {
    expect(toPlace(url)).toEqual({ server, query, namespace })
  })

  test.each([
    ['/', 'http://page.example:8080', ''],
    ['/chat', 'http://page.example:8080', '/chat,'],
    ['//other.example', 'http://other.example', ''],
    ['other.example:3000', 'http://other.example:3000', ''],
  ])('%s in a page is beside the page', (url, server, namespace) => {
    vi.stubGlobal('location', { href: 'http://page.example:8080/inbox?x=1#y' })
    expect(toPlace(url)).toEqual({ server, query: '', namespace })
  })
})

test.each(['http://', 'https://a b', 'http://a:99999'])('%s is a TypeError', (url) => {
  expect(() => toPlace(url)).toThrow(TypeError)
})
