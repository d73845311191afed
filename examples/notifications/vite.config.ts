import { defaultClientConditions, defineConfig } from 'vite'

export default defineConfig({
  resolve: { conditions: ['@org/source', ...defaultClientConditions] }, // the SDK as it is in this repository
  define: { SERVER: process.env['PAGE_FACTS'] ?? '{}' },
})
