import { afterEach, describe, expect, test, vi } from 'vitest'
import { toPlace } from './socket.js'

afterEach(() => vi.unstubAllGlobals())

describe('a URL is read as Socket.IO reads it', () => {
  test.each([
    ['https://a.example', 'https://a.example', '/'],
    ['http://a.example:3000/', 'http://a.example:3000/', '/'],
    ['wss://a.example/chat', 'wss://a.example/chat', '/chat'],
    ['https://a.example/chat?tenant=7', 'https://a.example/chat?tenant=7', '/chat'],
    ['https://a.example/büro/a b', 'https://a.example/büro/a b', '/büro/a b'],
    ['http://[::1]:3000/chat', 'http://[::1]:3000/chat', '/chat'],
    ['a.example', 'https://a.example', '/'],
    ['localhost:3000/chat', 'https://localhost:3000/chat', '/chat'],
    ['/', 'https://localhost/', '/'], // where a page is rendered on a server
  ])('%s', (given, url, namespace) => {
    expect(toPlace(given)).toEqual({ url, namespace })
  })

  test.each([
    ['/', 'http://page.example:8080/', '/'],
    ['/chat', 'http://page.example:8080/chat', '/chat'],
    ['//other.example/chat', 'http://other.example/chat', '/chat'],
    ['other.example:3000', 'http://other.example:3000', '/'],
  ])('%s in a page', (given, url, namespace) => {
    vi.stubGlobal('location', { protocol: 'http:', host: 'page.example:8080' })
    expect(toPlace(given)).toEqual({ url, namespace })
  })
})

test.each(['http://', 'https:///chat', '//'])('%s names no host, which is a TypeError', (url) => {
  expect(() => toPlace(url)).toThrow(TypeError)
})
