import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type DefaultTheme, defineConfig } from 'vitepress'
import { toAnchor } from '../../scripts/markdown.js'

const pages = join(process.cwd(), '.pages')

function titleOf(path: string): string {
  return /^# (.+)$/m.exec(readFileSync(join(pages, path), 'utf8'))?.[1]?.replaceAll(/[`\\]/g, '') ?? path
}

function page(path: string): DefaultTheme.SidebarItem {
  return { text: titleOf(path), link: `/${path.replace(/\.md$/, '')}` }
}

/** A folder's pages, so that a new one is in the sidebar by itself. */
function folder(text: string, path: string, collapsed = false): DefaultTheme.SidebarItem {
  const files = existsSync(join(pages, path)) ? readdirSync(join(pages, path)).filter((name) => name.endsWith('.md') && name !== 'index.md') : []
  return { text, collapsed, items: files.sort().map((name) => page(`${path}/${name}`)) }
}

export default defineConfig({
  title: 'realtime',
  description: 'The typed event contract between Node servers and browsers, over plain Socket.IO',
  srcDir: '.pages',
  outDir: 'dist',
  cacheDir: '.cache',
  cleanUrls: false,
  metaChunk: true,
  ignoreDeadLinks: [/^http:\/\/localhost/], // what a reader starts

  markdown: { anchor: { slugify: toAnchor } }, // as GitHub has them
  themeConfig: {
    search: { provider: 'local' },
    outline: [2, 3],
    nav: [
      { text: 'Getting started', link: '/getting-started' },
      { text: 'Concepts', link: '/concepts' },
      { text: 'API', link: '/api/' },
    ],
    sidebar: [
      { text: 'Start', items: [{ text: 'Overview', link: '/' }, page('getting-started.md'), page('what-it-does.md'), page('concepts.md')] },
      folder('Guides', 'guides'),
      folder('Reference', 'reference'),
      { text: 'API', link: '/api/', ...folder('API', 'api') },
      { text: 'Under the hood', items: ['protocol.md', 'security.md', 'performance.md'].map(page) },
      folder('Measured', 'measured', true),
      folder('Decisions', 'decisions', true),
      folder('Packages', 'packages', true),
      folder('Examples', 'examples', true),
    ],
  },
})
